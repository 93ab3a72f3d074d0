"""Shards are made once, whole, and on from where a killed run was."""

import json

import numpy as np
import pytest

from keras_selfattn.data import shard_making
from keras_selfattn.data.corpora import SpeechExample
from keras_selfattn.data.parallel_corpora import ParallelExample
from keras_selfattn.data.shard_making import make_shards
from keras_selfattn.data.shards import ShardedCorpus
from keras_selfattn.data.text_tables import TextExample
from keras_selfattn.preprocessing.audio import decode_audio, read_audio
from tests.data.speech_corpus import write_corpus

pytest.importorskip("array_record")
FLAC = {"sound": "flac", "sampling_rate_hz": 16000}


@pytest.fixture
def examples(tmp_path):
    return write_corpus(tmp_path / "sounds", 7)


def test_sound_is_decoded_once_to_16_bits(examples, tmp_path):
    index = make_shards(tmp_path / "out", "speech", examples, FLAC, 3)
    corpus = ShardedCorpus(tmp_path / "out")
    assert corpus.counts == [3, 3, 1] and index["count"] == 7
    row = corpus.rows(1, [2])[0]
    assert row["text"] == "f" and row["speaker"] == "s2"
    found = decode_audio(corpus.sounds(1, [2])[0])
    expected = read_audio(examples[5].path)
    np.testing.assert_allclose(found, expected, atol=1 / 32768)
    assert row["seconds"] == len(expected) / 16000
    total = sum(e.duration_s for e in examples)
    assert index["seconds"] == pytest.approx(total)


def test_kept_files_are_the_same_bytes_at_any_rate(tmp_path):
    examples = write_corpus(tmp_path / "sounds", 3, rate_hz=8000, kind="ogg")
    settings = {"sound": "keep", "sampling_rate_hz": 16000}
    make_shards(tmp_path / "out", "speech", examples, settings, 8)
    sounds = ShardedCorpus(tmp_path / "out").sounds(0, [0, 1, 2])
    for sound, example in zip(sounds, examples, strict=True):
        assert sound == example.path.read_bytes()
        expected = read_audio(example.path)
        np.testing.assert_array_equal(decode_audio(sound), expected)


def test_what_cannot_be_read_is_left_out_and_named(examples, tmp_path):
    examples[1].path.write_bytes(b"no sound")
    index = make_shards(tmp_path / "out", "speech", examples, FLAC, 4)
    assert index["count"] == 6 and len(index["left_out"]) == 1
    assert str(examples[1].path) in index["left_out"][0]
    bad = [SpeechExample(examples[1].path, "a", "s", 1.0, "train")]
    with pytest.raises(ValueError, match="no example could be read"):
        make_shards(tmp_path / "none", "speech", bad, FLAC, 4)


def digests(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_a_run_that_was_killed_goes_on(examples, tmp_path, monkeypatch):
    make_shards(tmp_path / "whole", "speech", examples, FLAC, 2)
    made, make = [], shard_making._make

    def dies(folder, name, *rest):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(name)
        return make(folder, name, *rest)

    monkeypatch.setattr(shard_making, "_make", dies)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        make_shards(out, "speech", examples, FLAC, 2)
    assert not (out / "index.json").exists()
    monkeypatch.setattr(
        shard_making, "_make", lambda *task: made.append(task[1]) or make(*task)
    )
    seen = []
    make_shards(
        out, "speech", examples, FLAC, 2, progress=lambda *x: seen.append(x)
    )
    assert made == ["000000", "000001", "000002", "000003"]
    assert seen == [(2, 4), (3, 4), (4, 4)]
    assert digests(out) == digests(tmp_path / "whole")
    # All is there: nothing is made, and nothing is changed.
    make_shards(out, "speech", examples, FLAC, 2)
    assert len(made) == 4

    # One shard damaged: it alone is made anew, to the same bytes.
    path = out / "000002.sound.array_record"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    make_shards(out, "speech", examples, FLAC, 2)
    assert made[4:] == ["000002"]
    assert digests(out) == digests(tmp_path / "whole")

    # Other examples: what does not hold them is made anew, the rest goes.
    make_shards(out, "speech", examples[:3], FLAC, 2)
    assert made[5:] == ["000001"]
    assert len(list(out.glob("*.array_record"))) == 4
    assert not list(out.glob("*.note.json"))


def test_processes_make_the_same_as_one(tmp_path):
    texts = [TextExample(f"text {i}", "ab"[i % 2], "") for i in range(9)]
    for processes in (1, 2):
        make_shards(tmp_path / str(processes), "texts", texts, {}, 3, processes)
    assert digests(tmp_path / "1") == digests(tmp_path / "2")
    index = json.loads((tmp_path / "2/index.json").read_text())
    assert index["labels"] == {"a": 5, "b": 4}


def test_pairs_of_texts_and_parallel_texts_are_kept(tmp_path):
    both = [TextExample(("one", "two"), "same", "")]
    make_shards(tmp_path / "texts", "texts", both, {}, 4)
    rows = ShardedCorpus(tmp_path / "texts").rows(0)
    assert rows == [{"text": ["one", "two"], "label": "same"}]
    pairs = [ParallelExample("eins", "one", "train")]
    make_shards(tmp_path / "pairs", "pairs", pairs, {}, 4)
    rows = ShardedCorpus(tmp_path / "pairs").rows(0)
    assert rows == [{"source": "eins", "target": "one"}]


def test_what_is_asked_for_wrongly_is_refused(examples, tmp_path):
    with pytest.raises(ValueError, match="no example to prepare"):
        make_shards(tmp_path, "texts", [], {}, 4)
    with pytest.raises(ValueError, match="shard_examples=0"):
        make_shards(tmp_path, "texts", examples, {}, 0)
    with pytest.raises(ValueError, match="'mp3'; expected flac or keep"):
        make_shards(tmp_path, "speech", examples, {"sound": "mp3"}, 4)
    (tmp_path / "index.json").write_text("{}")
    with pytest.raises(ValueError, match="no index of shards"):
        make_shards(tmp_path, "speech", examples, FLAC, 4)
