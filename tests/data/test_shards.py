"""Records by their number, and one clear error for whatever is wrong."""

import json
import threading

import pytest

from keras_selfattn.data.shards import (
    INDEX,
    ShardedCorpus,
    ShardError,
    is_prepared,
    write_index,
    write_shard,
)

pytest.importorskip("array_record")


@pytest.fixture
def folder(tmp_path):
    shards = []
    for number in range(3):
        rows = [{"text": f"é{number}", "n": n} for n in range(100)]
        sounds = [bytes([number, n]) * 50 for n in range(100)]
        shards.append(write_shard(tmp_path, f"{number:06d}", rows, sounds))
    write_index(tmp_path, "speech", {"corpora": ["a"]}, shards)
    return tmp_path


def file_of(folder, kind):
    return folder / f"000001.{kind}.array_record"


def test_records_are_read_by_their_number(folder):
    corpus = ShardedCorpus(folder, most_open=2)
    assert is_prepared(folder) and not is_prepared(folder.parent)
    assert corpus.counts == [100, 100, 100] and corpus.index["count"] == 300
    for shard in (2, 0, 1, 2):
        rows = corpus.rows(shard, [70, 3, 99])
        assert [row["n"] for row in rows] == [70, 3, 99]
        assert {row["text"] for row in rows} == {f"é{shard}"}
        found = corpus.sounds(shard, [5, 4])
        assert found == [bytes([shard, 5]) * 50, bytes([shard, 4]) * 50]
    assert len(list(corpus.all_rows())) == 300


def test_many_threads_read_at_once(folder):
    corpus, wrong = ShardedCorpus(folder, most_open=1), []

    def read(shard):
        for n in range(100):
            if corpus.sounds(shard, [n]) != [bytes([shard, n]) * 50]:
                wrong.append(n)

    threads = [threading.Thread(target=read, args=(i % 3,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def cut(folder):
    path = file_of(folder, "sound")
    path.write_bytes(path.read_bytes()[:-1000])


def remove(folder):
    file_of(folder, "rows").unlink()


def change_version(folder):
    index = json.loads((folder / INDEX).read_text())
    index["version"] = 2
    (folder / INDEX).write_text(json.dumps(index))


@pytest.mark.parametrize(
    "harm, message",
    [
        (cut, "sound.array_record has .* bytes"),
        (remove, "000001.rows.array_record is missing"),
        (change_version, "version 2; expected .* version 1"),
        (lambda folder: (folder / INDEX).unlink(), "not prepared to its end"),
        (lambda folder: (folder / INDEX).write_text("[1]"), "no index"),
    ],
)
def test_what_is_wrong_is_said_when_a_corpus_is_opened(folder, harm, message):
    harm(folder)
    with pytest.raises(ShardError, match=message):
        ShardedCorpus(folder)


def test_a_changed_byte_is_seen_by_the_digest_and_by_the_record(folder):
    path = file_of(folder, "sound")
    data = bytearray(path.read_bytes())
    data[data.index(bytes([1, 50]) * 50)] ^= 255
    path.write_bytes(data)
    with pytest.raises(ShardError, match="was changed: its SHA-256"):
        ShardedCorpus(folder).sounds(1, [7])
    unverified = ShardedCorpus(folder, verify=False)
    assert unverified.sounds(1, [7]) == [bytes([1, 7]) * 50]
    with pytest.raises(ShardError, match="sound.array_record is damaged"):
        unverified.sounds(1, [50])


def test_a_shard_of_fewer_examples_is_seen(folder):
    index = json.loads((folder / INDEX).read_text())
    index["shards"][1]["count"] = 101
    (folder / INDEX).write_text(json.dumps(index))
    with pytest.raises(ShardError, match="holds 100 examples; .* names 101"):
        ShardedCorpus(folder).rows(1)


def test_without_its_package_the_error_says_what_to_install(
    folder, monkeypatch
):
    import sys

    monkeypatch.setitem(sys.modules, "array_record.python", None)
    with pytest.raises(ImportError, match="pip install array_record"):
        ShardedCorpus(folder).rows(0)
