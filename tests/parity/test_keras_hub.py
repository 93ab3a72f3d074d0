"""KerasHub's parts with ours: tokenizers, samplers, backbones.

Its package is seldom installed: `pip install keras-hub`, then
`python -m pytest -m proof tests/parity/test_keras_hub.py`.
"""

import keras
import numpy as np
import pytest
from keras import ops

from keras_selfattn.convert.keras_hub import from_keras_hub
from keras_selfattn.models import TextEncoder
from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer
from keras_selfattn.preprocessing.text_tokenizer import TextTokenizer
from keras_selfattn.tasks import CausalLM, MaskedLM, TextClassifier
from keras_selfattn.tasks.pretrained_classifier import pretrained_classifier
from tests.arrays import to_numpy
from tests.causal_examples import counting_lm

pytestmark = pytest.mark.proof
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "##s"]
PIECES += ["sat", "dog", "un", "##real", ",", "."]


@pytest.fixture(scope="module")
def keras_hub():
    return pytest.importorskip("keras_hub", reason="KerasHub's own parts")


def test_its_tokenizer_feeds_our_classifier(keras_hub):
    """Ids of its WordPiece are those of ours, with the same vocabulary."""
    theirs = keras_hub.tokenizers.WordPieceTokenizer(
        PIECES, lowercase=True, special_tokens=PIECES[:5], sequence_length=8
    )
    texts = ["The cats sat.", "a dog, unreal"]
    ids = np.asarray(theirs(texts))
    ours = TextTokenizer(
        PIECES, {"kind": "bert", "lower": True}, unknown="[UNK]", max_tokens=8
    )
    wanted = ours.batch(texts, length=8)["token_ids"]
    np.testing.assert_array_equal(ids, wanted)
    task = TextClassifier(["a", "b"], ours, TextEncoder(len(PIECES), 8, 1, 2))
    np.testing.assert_allclose(
        to_numpy(task({"token_ids": ids})),
        to_numpy(task(ours.batch(texts, length=8))),
    )
    task.compile("adamw")
    task.fit({"token_ids": ids}, np.array([0, 1]), verbose=0)


def test_its_samplers_search_our_language_model(keras_hub):
    task = counting_lm()
    prompt = task.text_ids("ab", ended=False)
    length = 7

    def following(tokens, cache, index):
        logits = task({"token_ids": tokens}, training=False)
        return logits[:, index - 1], None, cache

    start = np.zeros((1, length), "int32")
    start[0, : len(prompt)] = prompt
    mask = np.arange(length)[None] < len(prompt)
    greedy = keras_hub.samplers.GreedySampler()(
        next=following,
        prompt=ops.convert_to_tensor(start),
        index=len(prompt),
        mask=ops.convert_to_tensor(mask),
    )
    ids = list(prompt)
    while len(ids) < length:
        row = ops.convert_to_tensor([ids], "int32")
        ids.append(int(ops.argmax(task({"token_ids": row})[0, -1])))
    assert to_numpy(greedy)[0].tolist() == ids
    drawn = keras_hub.samplers.TopKSampler(k=2, seed=1)(
        next=following,
        prompt=ops.convert_to_tensor(start),
        index=len(prompt),
        mask=ops.convert_to_tensor(mask),
    )
    assert to_numpy(drawn).shape == (1, length)
    assert isinstance(task, CausalLM)


def test_its_backbone_stands_under_our_head(keras_hub, tmp_path):
    keras.utils.set_random_seed(0)
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=len(PIECES),
        num_layers=2,
        num_heads=2,
        hidden_dim=16,
        intermediate_dim=24,
        max_sequence_length=12,
    )
    tokenizer = SubwordTokenizer(PIECES, max_tokens=12)
    task = MaskedLM(tokenizer, from_keras_hub(backbone))
    classifier = pretrained_classifier(task, ["bad", "good"])
    text = "the cats sat, unreal."
    ids = classifier.tokenizer.batch([text])["token_ids"]
    theirs = backbone(
        {
            "token_ids": ids,
            "segment_ids": np.zeros_like(ids),
            "padding_mask": np.ones_like(ids),
        }
    )["sequence_output"]
    ours = classifier.encoder(
        {
            "token_ids": ids,
            "padding_mask": ids > 0,
            "segment_ids": np.zeros_like(ids),
        }
    )["hidden"]
    np.testing.assert_allclose(to_numpy(ours), to_numpy(theirs), atol=1e-4)
    assert classifier.classify(text).label in ("bad", "good")
    classifier.save_preset(tmp_path / "mine")
