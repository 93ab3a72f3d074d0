import pytest

from keras_selfattn.serve import folder_search
from keras_selfattn.serve.folder_search import FolderSearch, passages


@pytest.fixture(scope="module")
def search(texts_folder):
    found = FolderSearch(texts_folder)
    yield found
    found.close()


def text(entry):
    return "".join(part["text"] for part in entry["parts"])


def test_passages_are_found_by_their_words(search):
    assert (search.num_files, search.num_skipped) == (2, 1)
    (found,) = search("the GIRL plays")[:1]
    assert (found["file"], found["line"]) == ("parks.txt", 1)
    assert text(found) == "The girl is playing in the park."
    marked = [part["text"] for part in found["parts"] if part["match"]]
    assert {"girl", "playing"} <= set(marked)
    assert search("ship")[0]["file"] == "deep/harbour.md"
    assert len(search("the", limit=1)) == 1


def test_what_was_heard_may_be_misspelled(search):
    assert search("harber")[0]["file"] == "deep/harbour.md"
    assert search("parck")[0]["file"] == "parks.txt"


def test_hidden_files_and_links_that_lead_out_are_not_read(search):
    assert search("secretword") == []


@pytest.mark.parametrize(
    "query",
    ['"', "AND OR NOT", "text:girl*", "(", "NEAR(a b)", "'; DROP TABLE", "\x00"]
    + ["a" * 500, "* ^", "\ud800", "🎉", "-", "a " * 250],
)
def test_no_sign_has_a_meaning(search, query):
    assert isinstance(search(query), list)
    assert search("girl")


def test_a_paragraph_is_a_passage():
    content = "\n\none\ntwo\n\n\x01three\n" + "x" * 4500
    found = list(passages(content))
    assert found[0] == (3, "one two")
    assert found[1] == (6, "three")
    assert [len(t) for _, t in found[2:]] == [2000, 2000, 500]


def test_a_folder_without_texts_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no text"):
        FolderSearch(tmp_path)
    with pytest.raises(ValueError, match="no folder"):
        FolderSearch(tmp_path / "gone")


def test_a_sqlite_without_full_text_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("one")
    table = "CREATE VIRTUAL TABLE words USING no_such_module(text)"
    monkeypatch.setattr(folder_search, "_WORDS", table)
    with pytest.raises(ValueError, match="import sqlite3 before TensorFlow"):
        FolderSearch(tmp_path)
