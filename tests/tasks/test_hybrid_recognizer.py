"""The hybrid recogniser: losses, copies, files, and that it learns."""

import keras
import numpy as np
import pytest

from keras_selfattn.layers.precomputed_features import PrecomputedFeatures
from keras_selfattn.layers.spec_augment import SpecAugment
from keras_selfattn.losses.cross_entropy import smoothed_cross_entropy
from keras_selfattn.losses.ctc import ctc_loss
from keras_selfattn.models.attention_decoder import AttentionDecoder
from keras_selfattn.models.conformer import ConformerEncoder
from keras_selfattn.preprocessing.audio import AudioError
from keras_selfattn.preprocessing.tokenizers import CharacterTokenizer
from keras_selfattn.tasks.hybrid_recognizer import HybridRecognizer
from keras_selfattn.tasks.speech_recognizer import SpeechRecognizer
from keras_selfattn.tasks.task import Task
from tests.arrays import to_numpy
from tests.feature_patterns import NUM_FEATURES, spoken_patterns
from tests.fixed_weights import draw_weights

SIZES = {"hidden_dim": 16, "num_heads": 2, "intermediate_dim": 16}
STAGE = {**SIZES, "num_layers": 1, "kernel_size": 3, "dropout": 0.0}
TEXTS = ["abc", "b"]
# Of the weights that `draw_weights` gives; computed once, on torch.
GOLDEN_LOGITS = [
    [6.69777, 1.81378, -1.96063, -2.31082],
    [-1.23792, 6.00633, -0.37266, -0.90804],
    [-3.60169, 0.06147, 7.32778, 1.64788],
    [-3.00142, 0.35469, 3.99415, 3.83201],
]
GOLDEN_CTC_LOGITS = [
    [1.5521, 0.23536, 0.5997, 0.3719],
    [0.96036, -1.37993, 1.42975, -0.17897],
    [1.81189, -0.17156, 0.22136, -0.18991],
]


def hybrid(**kwargs):
    tokenizer = CharacterTokenizer("abc")
    return HybridRecognizer(
        PrecomputedFeatures(NUM_FEATURES),
        ConformerEncoder(3 * NUM_FEATURES, [STAGE], name="encoder"),
        AttentionDecoder(
            tokenizer.vocabulary_size,
            num_layers=1,
            dropout=0.0,
            name="decoder",
            **SIZES,
        ),
        tokenizer,
        **kwargs,
    )


def batch(texts):
    """Inputs and labels of generated features."""
    rows = [spoken_patterns(text, i) for i, text in enumerate(texts)]
    lengths = [len(row) for row in rows]
    samples = np.zeros((len(rows), max(lengths), NUM_FEATURES), "float32")
    ids = np.zeros((len(rows), max(map(len, texts))), "int32")
    for i, (row, text) in enumerate(zip(rows, texts, strict=True)):
        samples[i, : len(row)] = row
        ids[i, : len(text)] = CharacterTokenizer("abc").encode(text)
    inputs = {
        "samples": samples,
        "num_samples": np.array(lengths, "int32"),
        "token_ids": ids,
    }
    return inputs, ids


@pytest.mark.backend
def test_same_weights_give_the_same_outputs_on_all_backends():
    task = draw_weights(hybrid())
    inputs, _ = batch(TEXTS)
    found = {k: to_numpy(v) for k, v in task(inputs).items()}
    assert found["ctc_logits"].shape == (2, 10, 4)
    assert found["logits"].shape == (2, 4, 4)
    np.testing.assert_allclose(found["logits"][0], GOLDEN_LOGITS, atol=1e-4)
    np.testing.assert_allclose(
        found["ctc_logits"][1, :3], GOLDEN_CTC_LOGITS, atol=1e-4
    )
    # What stands in padding, and later tokens, change nothing.
    spoilt = {name: value.copy() for name, value in inputs.items()}
    spoilt["samples"][1, 16:] = 7.0
    spoilt["token_ids"][0, 2] = 1
    again = {k: to_numpy(v) for k, v in task(spoilt).items()}
    np.testing.assert_allclose(
        again["ctc_logits"][1, :4], found["ctc_logits"][1, :4], atol=1e-5
    )
    np.testing.assert_allclose(
        again["logits"][0, :3], found["logits"][0, :3], atol=1e-5
    )


def test_the_loss_is_the_weighted_sum_of_both():
    task = draw_weights(hybrid(ctc_weight=0.25, label_smoothing=0.1))
    inputs, ids = batch(TEXTS)
    outputs = task(inputs)
    ctc = to_numpy(ctc_loss(ids, outputs["ctc_logits"], np.array([10, 4])))
    ends = np.array([[1, 2, 3, 0], [2, 0, 0, 0]])
    costs = to_numpy(smoothed_cross_entropy(ends, outputs["logits"], 0.1))
    attention = (costs[0].sum() + costs[1, :2].sum()) / 6
    expected = 0.25 * ctc.sum() / 4 + 0.75 * attention
    found = task.compute_loss(inputs, ids, outputs)
    np.testing.assert_allclose(to_numpy(found), expected, rtol=1e-5)
    first = task.compute_loss(inputs, ids, outputs, np.array([1.0, 0.0]))
    expected = 0.25 * ctc[0] / 3 + 0.75 * costs[0].sum() / 4
    np.testing.assert_allclose(to_numpy(first), expected, rtol=1e-5)


def test_it_learns_a_batch_and_its_file_writes_it_again(tmp_path):
    keras.utils.set_random_seed(0)
    task = hybrid()
    task.compile(keras.optimizers.Adam(0.01))
    inputs, ids = batch(TEXTS)
    for _ in range(60):
        loss = task.train_on_batch(inputs, ids)
    assert loss < 0.8  # smoothed labels cost 0.4 at least
    heard = [spoken_patterns(text, i) for i, text in enumerate(TEXTS)]
    assert task.transcribe(heard) == TEXTS
    task.save_preset(tmp_path / "preset")
    twin = Task.from_preset_folder(tmp_path / "preset")
    assert twin.transcribe(heard[0]) == TEXTS[0]
    recognizer = twin.ctc_recognizer()
    assert recognizer.transcribe(heard) == TEXTS


def test_the_ctc_recognizer_is_the_same_encoder_under_the_same_paths():
    task = draw_weights(hybrid(spec_augment=SpecAugment(1, 2, 1, 0.1)))
    recognizer = task.ctc_recognizer()
    assert isinstance(recognizer, SpeechRecognizer)
    own = {v.path for v in task.weights}
    assert {v.path for v in recognizer.weights} < own
    inputs, _ = batch(TEXTS)
    expected = to_numpy(task(inputs)["ctc_logits"])
    del inputs["token_ids"]
    np.testing.assert_allclose(
        to_numpy(recognizer(inputs)), expected, atol=1e-6
    )
    (frames,) = recognizer.frame_log_probabilities([spoken_patterns("ab")])
    assert frames.shape == (7, 4)
    assert recognizer.frame_seconds == pytest.approx(0.04)


def test_round_trip_of_a_keras_file(tmp_path):
    task = draw_weights(hybrid(ctc_weight=0.5))
    task.save(tmp_path / "task.keras")
    twin = keras.models.load_model(tmp_path / "task.keras")
    assert twin.get_config() == task.get_config()
    inputs, _ = batch(TEXTS)
    for name, expected in task(inputs).items():
        np.testing.assert_allclose(
            to_numpy(twin(inputs)[name]), to_numpy(expected), atol=1e-6
        )


def test_it_hears_sound_by_default():
    task = HybridRecognizer(
        encoder=ConformerEncoder(80, [STAGE], name="encoder"),
        tokenizer=CharacterTokenizer("abc"),
    )
    found = task.transcribe(np.zeros(4000, "float32"), details=True, beam=2)
    assert set(found) == {"text", "token_ids", "score"}
    with pytest.raises(AudioError):
        task.transcribe("missing.wav")


def test_bad_input_is_named():
    task = hybrid()
    with pytest.raises(AudioError, match=r"float array \(frames, 4\)"):
        task.transcribe(np.zeros(100, "float32"))
    with pytest.raises(AudioError, match="float array"):
        task.transcribe("speech.wav")
    with pytest.raises(AudioError, match="NaN"):
        task.transcribe(np.full((20, 4), np.nan))
    with pytest.raises(ValueError, match="beam_size=0"):
        task.transcribe(spoken_patterns("a"), beam=0)
    with pytest.raises(ValueError, match="ctc_weight=2"):
        hybrid(ctc_weight=2)
    with pytest.raises(ValueError, match="12 features a frame, the encoder"):
        HybridRecognizer(
            PrecomputedFeatures(NUM_FEATURES), ConformerEncoder(80, [STAGE])
        )
    with pytest.raises(ValueError, match="vocabulary_size"):
        HybridRecognizer(
            encoder=ConformerEncoder(80, [STAGE]), decoder=AttentionDecoder(9)
        )
