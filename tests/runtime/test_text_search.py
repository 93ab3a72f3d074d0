import numpy as np
import pytest

from keras_selfattn.preprocessing.tokenizers import tokenizer_from_config
from keras_selfattn.runtime import text_search
from keras_selfattn.runtime.model_file import ModelError, read_metadata
from keras_selfattn.runtime.text_search import TextSearch
from tests.command_line import TINY_TRANSLATION

FILE = f"{TINY_TRANSLATION}/model.tflite"


@pytest.fixture(scope="module")
def metadata():
    return read_metadata(FILE, ("tokenizer",), "translator")


def search(metadata, **changes):
    return TextSearch(
        FILE, {**metadata, **changes}, 1, 2, (0, 1, 3), "translate_beam"
    )


def test_all_its_searches_write_the_text(metadata, monkeypatch):
    tokenizer = tokenizer_from_config(metadata["tokenizer"])
    source = [*tokenizer.encode("seven three nine"), 2]
    one = search(metadata)
    for options in ({}, {"beam": 3}, {"no_repeat_ngram": 2}):
        ids, score = one.write(source, **options)
        assert tokenizer.decode(ids) == "7 3 9"
        assert score <= 0
    expected = one.write(source, beam=3)[1]
    monkeypatch.setattr(text_search, "CACHE_STEP", 1)
    ids, score = search(metadata).write(np.array(source), beam=3)
    assert tokenizer.decode(ids) == "7 3 9"  # the cache grew token by token
    assert score == pytest.approx(expected, abs=1e-5)
    short = search(metadata, max_target_tokens=1).write(source, beam=2)
    assert len(short[0]) == 1


def test_what_the_file_has_not_is_said(metadata):
    with pytest.raises(ModelError):
        search(metadata, beam=4).write([7, 2], beam=4)
    with pytest.raises(ValueError, match="alpha=-1"):
        search(metadata, beam=4).write([7, 2], beam=4, alpha=-1)


def test_a_text_that_is_given_is_scored_as_the_search_does(metadata):
    tokenizer = tokenizer_from_config(metadata["tokenizer"])
    one = search(metadata)
    sources = np.array(
        [
            [*tokenizer.encode(text), 2]
            for text in ("seven three", "three seven")
        ]
    )
    target, _ = one.write(sources[0])
    target = [*(int(i) for i in target if i != 2), 2]
    found = one.log_probabilities(sources, target)
    assert found.shape == (2, len(target))
    assert (found <= 0).all()
    both = found.sum(axis=1)
    assert both[0] > both[1]  # it is the first one's translation
    alone = one.log_probabilities(sources[1:], target)
    np.testing.assert_allclose(alone[0], found[1], atol=1e-4)
