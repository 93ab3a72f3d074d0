"""Texts and pairs from shards are those of the datasets in memory."""

import numpy as np
import pytest

from keras_selfattn.data.parallel_corpora import ParallelExample
from keras_selfattn.data.shard_making import make_shards
from keras_selfattn.data.sharded_texts import ShardedPairs, ShardedTexts
from keras_selfattn.data.shards import ShardedCorpus
from keras_selfattn.data.text_dataset import TextDataset
from keras_selfattn.data.text_tables import TextExample
from keras_selfattn.data.translation_dataset import TranslationDataset
from keras_selfattn.preprocessing.text_tokenizer import TextTokenizer
from keras_selfattn.preprocessing.tokenizers import CharacterTokenizer
from keras_selfattn.preprocessing.translation_text import SPECIAL_TOKENS

pytest.importorskip("array_record")


def corpus_of(folder, kind, examples):
    make_shards(folder, kind, examples, {}, 7)
    return [ShardedCorpus(folder)]


def rows_of(dataset):
    """All rows of an epoch, without their padding, sorted."""
    found = []
    for i in range(len(dataset)):
        inputs, labels = dataset[i]
        for row in range(len(labels)):
            arrays = [array[row] for array in inputs.values()]
            arrays.append(np.atleast_1d(labels[row]))
            found.append(
                tuple(tuple(np.trim_zeros(a, "b").tolist()) for a in arrays)
            )
    return sorted(found)


@pytest.fixture
def texts():
    generator = np.random.default_rng(0)
    words = "a b c d e f".split()
    return [
        TextExample(
            " ".join(generator.choice(words, generator.integers(1, 12))),
            ("good", "bad", "bad")[i % 3],
            "",
        )
        for i in range(40)
    ]


def test_texts_are_those_of_a_dataset_in_memory(texts, tmp_path):
    tokenizer = TextTokenizer.build([e.text for e in texts], max_tokens=9)
    corpora = corpus_of(tmp_path, "texts", texts)
    labels = ["bad", "good"]
    memory = TextDataset(texts, tokenizer, labels, batch_size=6)
    sharded = ShardedTexts(corpora, tokenizer, labels, batch_size=6)
    assert sharded.num_examples == memory.num_examples == 40
    assert rows_of(sharded) == rows_of(memory)
    assert sharded[0][0]["token_ids"].dtype == "int32"
    expected = memory.class_counts.tolist()
    assert sharded.class_counts.tolist() == expected == [26, 14]


def test_labels_and_ngrams_that_do_not_fit_are_refused(texts, tmp_path):
    corpora = corpus_of(tmp_path, "texts", texts)
    tokenizer = TextTokenizer.build(["a b"])
    with pytest.raises(ValueError, match=r"labels \['bad'\] .* not among"):
        ShardedTexts(corpora, tokenizer, ["good"])
    ngrams = {"orders": [1], "num_buckets": 8, "unit": "tokens"}
    tokenizer = TextTokenizer.build(["a b"], ngrams=ngrams)
    with pytest.raises(ValueError, match="n-grams are for texts in memory"):
        ShardedTexts(corpora, tokenizer, ["bad", "good"])


@pytest.mark.parametrize("swap", [False, True])
def test_pairs_are_those_of_a_dataset_in_memory(swap, tmp_path):
    generator = np.random.default_rng(0)

    def sentence():
        return "".join(
            generator.choice(list("abc "), generator.integers(2, 15))
        )

    pairs = [ParallelExample(sentence(), sentence(), "t") for _ in range(30)]
    tokenizer = CharacterTokenizer([*SPECIAL_TOKENS, *"abc "])
    corpora = corpus_of(tmp_path, "pairs", pairs)
    sizes = {"batch_tokens": 64, "max_tokens": 12}
    turned = [pair.swapped() for pair in pairs] if swap else pairs
    memory = TranslationDataset(turned, tokenizer, progress=False, **sizes)
    sharded = ShardedPairs(corpora, tokenizer, swap=swap, **sizes)
    assert sharded.num_examples == memory.num_examples < 30
    assert sharded.num_target_tokens == memory.num_target_tokens
    assert sharded.longest_source >= memory.longest_source
    assert rows_of(sharded) == rows_of(memory)
    sharded.shard(99, 100)
    inputs, labels = sharded[0]
    assert len(labels) == len(inputs["source_ids"]) == 0
