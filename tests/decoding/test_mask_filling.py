import numpy as np
import pytest

from keras_selfattn.decoding.mask_filling import fill_masks, find_masks
from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer

MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TOKENIZER = SubwordTokenizer([*MARKS, "the", "cat", "##s"], max_tokens=6)


def test_each_mask_is_filled_by_itself():
    ids, places = find_masks(TOKENIZER, "the [MASK] [MASK]", 2)
    assert ids.tolist() == [2, 5, 4, 4, 3] and places.tolist() == [2, 3]
    best = np.array([[6, 5], [7, 6]])
    logs = np.log([[0.5, 0.25], [0.75, 0.125]])
    first, second = fill_masks(TOKENIZER, ids, places, best, logs)
    assert [fill.text for fill in first] == ["the cat [MASK]", "the the [MASK]"]
    assert [fill.text for fill in second][1] == "the [MASK] cat"
    assert second[0].token == "##s" and second[0].token_id == 7
    assert second[0].score == pytest.approx(0.75)
    only = fill_masks(TOKENIZER, ids, places[:1], best[:1], logs[:1])
    assert only == first


def test_a_text_without_a_mask_is_refused():
    for text, top_k in (("the", 1), ("the the the the [MASK]", 1)):
        with pytest.raises(ValueError, match=r"hold no '\[MASK\]'"):
            find_masks(TOKENIZER, text, top_k)
    with pytest.raises(ValueError, match="top_k=0 is below 1"):
        find_masks(TOKENIZER, "[MASK]", 0)
