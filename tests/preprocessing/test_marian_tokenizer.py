import pytest

from keras_selfattn.preprocessing.marian_tokenizer import MarianTokenizer
from keras_selfattn.preprocessing.tokenizers import tokenizer_from_config

MARKS = ["<pad>", "<s>", "</s>"]
VOCABULARY = [*MARKS, ">>de<<", "\u2581on", "<unk>", "\u2581dog", "e", "at"]


@pytest.fixture
def tokenizer(repository):
    folder = repository / "tests" / "golden" / "checkpoints" / "marian"
    return MarianTokenizer((folder / "source.spm").read_bytes(), VOCABULARY)


def test_pieces_have_the_ids_of_the_vocabulary(tokenizer):
    assert tokenizer.encode("dog on") == [6, 4]
    assert tokenizer.encode("dog z") == [6, 5, 5]
    assert tokenizer.encode(">>de<< dog") == [3, 6]
    assert tokenizer.encode(">>fr<< dog") == [5, 6]
    assert tokenizer.decode([6, 5, 4, 2, 0]) == "dog on"
    assert tokenizer.unknown_id == 5 and tokenizer.vocabulary_size == 9


def test_the_likeliest_pieces_come_first(tokenizer):
    pytest.importorskip("sentencepiece")
    found = tokenizer.encode_best("dog on", 3)
    assert found[0][0] == [6, 4] and len(found) == 3
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)


def test_it_comes_back_from_its_config(tokenizer):
    again = tokenizer_from_config(tokenizer.get_config())
    assert type(again) is MarianTokenizer
    assert again.get_config() == tokenizer.get_config()
    assert again.encode("dog on") == [6, 4]


def test_what_does_not_fit_is_refused(tokenizer):
    with pytest.raises(ValueError, match="unknown='<unk>' must stand in"):
        MarianTokenizer(tokenizer.model_bytes, MARKS)
    with pytest.raises(ValueError, match='needs "model"'):
        tokenizer_from_config({"type": "marian", "vocabulary": VOCABULARY})
