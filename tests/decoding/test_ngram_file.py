"""The file of an n-gram model: small, exact or coded, checked."""

import gzip
import io
import json

import numpy as np
import pytest

from keras_selfattn.decoding import arpa, kneser_ney, ngram_file
from keras_selfattn.decoding.ngram_model import NgramError
from tests.decoding.sentences import sentences


@pytest.fixture(scope="module")
def model():
    return kneser_ney.train(sentences(300), 3)


def kept(folder, content, name="model.bin"):
    path = folder / name
    path.write_bytes(content)
    return path


def test_without_codes_it_is_the_same_to_the_last_bit(model, tmp_path):
    content = ngram_file.to_bytes(model, quantize=False)
    again = ngram_file.open_model(kept(tmp_path, content))
    for line in sentences(seed=1):
        assert again.sentence([*line, "zebra"]) == model.sentence(
            [*line, "zebra"]
        )
    assert again.best_with_prefix("d") == model.best_with_prefix("d")


def test_codes_cost_little_and_save_much(model, tmp_path):
    exact = ngram_file.to_bytes(model, quantize=False)
    coded = ngram_file.to_bytes(model)
    path = kept(tmp_path, coded)
    again = ngram_file.open_model(path)
    lines = sentences(seed=1)
    assert again.perplexity(lines) == pytest.approx(
        model.perplexity(lines), rel=0.02
    )
    arrays = json.loads(coded[12 : 12 + int.from_bytes(coded[8:12], "little")])
    dtypes = {n: d for n, (d, _, _) in arrays["arrays"].items()}
    assert dtypes["3.words"] == "<u2" and dtypes["3.log_probs"] == "|u1"
    # The tables of codes are a kilobyte each, whatever the size.
    assert len(coded) - 5 * 1024 < 0.75 * len(exact)
    # What never happens (`<s>`) is not rounded to what seldom does.
    assert again.score((), "<s>")[0] < -200
    # What is coded once is not rounded again.
    twice = ngram_file.open_model(
        kept(tmp_path, ngram_file.to_bytes(again), "twice.bin")
    )
    assert twice.sentence(lines[0]) == again.sentence(lines[0])


def test_the_file_is_mapped_and_not_read(model, tmp_path):
    path = kept(tmp_path, ngram_file.to_bytes(model))
    opened = ngram_file.open_model(path)
    base = opened.levels[2].words
    while base.base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)


def test_arpa_is_read_too_and_gzipped(model, tmp_path):
    text = io.StringIO()
    arpa.write(model, text)
    plain, packed = tmp_path / "a.arpa", tmp_path / "a.arpa.gz"
    plain.write_text(text.getvalue())
    packed.write_bytes(gzip.compress(text.getvalue().encode()))
    words = ["the", "dog"]
    for path in (plain, str(packed)):
        assert ngram_file.open_model(path).sentence(words) == pytest.approx(
            model.sentence(words), abs=1e-4
        )


def test_what_cannot_be_read_is_named(model, tmp_path):
    with pytest.raises(NgramError, match="No such file"):
        ngram_file.open_model(tmp_path / "none.bin")
    content = ngram_file.to_bytes(model)
    for broken, message in [
        (content[:-8], "ends after the file"),
        (content[:20], "cut short"),
        (content[:8], "cut short"),
        (content.replace(b'"order": 3', b'"order": 4'), "no order 4"),
        (b"\xff\xfe\x00", "can't decode"),
        (b"RIFF....", "no ARPA"),
        (b"", "no ARPA"),
        (b"\x1f\x8b\x00", "cannot be read as"),
    ]:
        path = kept(tmp_path, broken)
        with pytest.raises(NgramError, match=message):
            ngram_file.open_model(path)
