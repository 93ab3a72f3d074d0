"""Small language models and texts that count."""

from keras_selfattn.models.causal_transformer import CausalTransformer
from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer
from keras_selfattn.preprocessing.tokenizers import CharacterTokenizer
from keras_selfattn.tasks.causal_lm import CausalLM
from tests.fixed_weights import draw_weights
from tests.translation_examples import number_tokenizer

LETTERS = CharacterTokenizer("abcdefgh \n")


def causal_lm(tokenizer=LETTERS, places=8, **sizes):
    """A model with weights that depend on their paths only."""
    transformer = CausalTransformer(
        tokenizer.vocabulary_size,
        16,
        2,
        2,
        max_sequence_length=places,
        name="transformer",
        **sizes,
    )
    return draw_weights(CausalLM(tokenizer, transformer))


def counting_lm(**sizes):
    """Of number words, with a begin and an end."""
    return causal_lm(number_tokenizer(), **sizes)


def gpt2_tokenizer(padding="<|endoftext|>"):
    """Six tokens, of which the second is `padding` where it is not the end."""
    end = "<|endoftext|>"
    vocabulary = ["a", "<pad>", "b", "\u0120a", "</b>", end]
    marks = {"unknown": end, "start": None, "end": end, "mask": None}
    return SubwordTokenizer(
        vocabulary,
        {"kind": "byte_pair", "merges": ["\u0120 a"]},
        padding=padding,
        **marks,
    )
