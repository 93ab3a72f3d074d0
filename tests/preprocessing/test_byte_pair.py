import random

import pytest

from keras_selfattn.preprocessing.byte_pair import (
    BytePairSplitter,
    byte_letters,
)
from keras_selfattn.preprocessing.splitters import make_splitter

G = "\u0120"
MERGES = ["l o", "lo w", f"{G} low", "e r", "t h", "' s"]


def test_the_first_merge_that_was_learned_comes_first():
    split = BytePairSplitter(MERGES)
    assert split("low lower") == ["low", f"{G}low", "er"]
    assert split("the low's") == ["th", "e", f"{G}low", "'s"]
    assert split("") == []
    # a b and b c: the rank decides, not the place.
    assert BytePairSplitter(["b c", "a b"])("abc") == ["a", "bc"]
    assert BytePairSplitter([("a", "b"), ("b", "c")])("abc") == ["ab", "c"]


def test_runs_part_as_in_gpt2():
    split = BytePairSplitter([])
    blank = split("  a")
    assert blank == [G, G, "a"]
    joined = BytePairSplitter([f"{G} a", f"{G} {G}", "1 2", f"{G} ?"])
    # The last blank goes with the word; digits, letters and signs part.
    assert joined("  a12?") == [G, f"{G}a", "12", "?"]
    assert joined("a   ") == ["a", f"{G}{G}", G]
    assert joined("a ?\u0661") == ["a", f"{G}?", *split("\u0661")]


def test_any_text_comes_back():
    split = make_splitter("byte_pair", merges=MERGES)
    for text in ("", "low \n\t x", "na\u00efve \u6211\U0001f63a", "\x00\x7f"):
        assert BytePairSplitter.join(split(text)) == text
    assert BytePairSplitter.join([byte_letters()[0xFF]]) == "\ufffd"
    assert split("\udce9") == ["?"]


def test_a_blank_may_be_put_before():
    split = BytePairSplitter(MERGES, prefix_space=True)
    assert split("low") == split(" low") == [f"{G}low"]
    assert split("") == []


def test_a_wrong_merge_is_told():
    with pytest.raises(ValueError, match="'a b c' is not of two pieces"):
        BytePairSplitter(["a b c"])


@pytest.mark.proof
def test_equals_transformers_on_random_texts(tmp_path, repository):
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    text = (repository / "CONTRIBUTING.md").read_text()
    trained = tokenizers.ByteLevelBPETokenizer()
    trained.train_from_iterator([text], 600, special_tokens=["<|endoftext|>"])
    trained.save_model(str(tmp_path))
    theirs = transformers.GPT2Tokenizer.from_pretrained(tmp_path)
    merges = (tmp_path / "merges.txt").read_text("utf-8").split("\n")[1:-1]
    ours = BytePairSplitter(merges)
    draw = random.Random(0)
    blocks = [(9, 127)] * 3 + [(0, 0x600), (0, 0x3100), (0x4E00, 0xD7FF)]
    blocks += [(0x1F600, 0x1F640)]
    texts = [text[i : i + 80] for i in range(0, len(text), 80)]
    for _ in range(2000):
        texts.append(
            "".join(
                chr(draw.randint(*draw.choice(blocks)))
                for _ in range(draw.randint(1, 20))
            )
        )
    for text in texts:
        assert ours(text) == theirs.tokenize(text), repr(text)
