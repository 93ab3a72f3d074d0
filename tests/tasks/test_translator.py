import keras
import numpy as np
import pytest

from keras_selfattn.decoding.greedy_search import greedy_search
from keras_selfattn.losses.cross_entropy import smoothed_cross_entropy
from keras_selfattn.models.transformer import Transformer
from keras_selfattn.preprocessing.marian_tokenizer import MarianTokenizer
from keras_selfattn.preprocessing.sentencepiece_tokenizer import (
    SentencePieceTokenizer,
)
from keras_selfattn.preprocessing.translation_text import (
    BOS_ID,
    EOS_ID,
    PAD_ID,
    source_ids,
    target_ids,
)
from keras_selfattn.tasks.task import Task
from keras_selfattn.tasks.translator import Translator
from tests.arrays import to_numpy
from tests.fixed_weights import draw_weights
from tests.translation_examples import number_pairs, number_tokenizer

# What a backend computes is tested on each; how text is handled, on one.
backend = pytest.mark.backend

TOKENIZER = number_tokenizer()
SIZES = {
    "hidden_dim": 32,
    "num_layers": 1,
    "num_heads": 2,
    "intermediate_dim": 64,
    "dropout": 0.0,
}


def translator(sizes=None, **kwargs):
    transformer = Transformer(
        TOKENIZER.vocabulary_size,
        **{**SIZES, **(sizes or {})},
        name="transformer",
    )
    return Translator(TOKENIZER, transformer, **kwargs)


def padded(rows):
    width = max(map(len, rows))
    return np.array([row + [PAD_ID] * (width - len(row)) for row in rows])


def batch(pairs):
    labels = padded([target_ids(TOKENIZER, pair.target) for pair in pairs])
    begins = np.full((len(pairs), 1), BOS_ID)
    inputs = {
        "source_ids": padded(
            [source_ids(TOKENIZER, pair.source) for pair in pairs]
        ).astype("int32"),
        "target_ids": np.concatenate([begins, labels[:, :-1]], 1).astype(
            "int32"
        ),
    }
    return inputs, labels.astype("int32")


@pytest.fixture(scope="module")
def trained():
    """A model that knows eight translations by heart."""
    keras.utils.set_random_seed(0)
    pairs = number_pairs(8, longest=4)
    inputs, labels = batch(pairs)
    task = translator(label_smoothing=0.0)
    task.compile(keras.optimizers.Adam(5e-3))
    history = task.fit(inputs, labels, batch_size=8, epochs=150, verbose=0)
    return task, pairs, history.history["loss"]


@backend
def test_overfits_one_batch_and_translates_it(trained):
    task, pairs, losses = trained
    assert losses[0] > 2.5
    assert losses[-1] < 0.02
    sources = [pair.source for pair in pairs]
    targets = [pair.target for pair in pairs]
    for beam in (1, 3):
        assert task.translate(sources, beam=beam) == targets
    # One by one, and in batches of five: the same.
    assert task.translate(sources[3]) == targets[3]
    assert task.translate(sources, beam=1, batch_size=5) == targets


@backend
def test_cached_decoding_writes_what_uncached_writes(trained):
    """Token for token, also where the model is not sure of anything."""
    sources = [pair.source for pair in number_pairs(8, seed=9)]
    for task in (trained[0], draw_weights(translator())):
        rows = [source_ids(task.tokenizer, text) for text in sources]
        ids = padded(rows).astype("int32")

        def step(token_ids, position, state, task=task, ids=ids):
            tokens = np.concatenate([state, token_ids[:, None]], axis=1)
            # One length for all steps: what is later cannot be seen.
            target = np.zeros((len(ids), 24), "int32")
            target[:, : position + 1] = tokens
            inputs = {"source_ids": ids, "target_ids": target}
            logits = to_numpy(task.predict_on_batch(inputs))
            return logits[:, position], tokens

        limits = np.array([2 * len(row) + 10 for row in rows])
        expected = greedy_search(
            step,
            np.zeros((8, 0), "int32"),
            8,
            np.minimum(limits, 24),
            BOS_ID,
            EOS_ID,
            banned_ids=(PAD_ID, BOS_ID, task.tokenizer.unknown_id),
        )
        found = task.write(rows, beam=1)
        for (tokens, _), uncached in zip(found, expected, strict=True):
            assert tokens[:24].tolist() == uncached.tolist()


def test_details_hold_tokens_and_score(trained):
    task, pairs, _ = trained
    found = task.translate(pairs[0].source, details=True)
    assert found["text"] == pairs[0].target
    assert found["token_ids"] == target_ids(TOKENIZER, pairs[0].target)[:-1]
    assert -1 < found["score"] < 0


@backend
def test_the_loss_is_cross_entropy_in_nats_a_token():
    task = draw_weights(translator())
    inputs, labels = batch(number_pairs(3))
    logits = task(inputs)
    costs = to_numpy(smoothed_cross_entropy(labels, logits, 0.1))
    rows, counts = (costs * (labels != 0)).sum(1), (labels != 0).sum(1)
    found = task.compute_loss(inputs, keras.ops.array(labels), logits)
    np.testing.assert_allclose(float(found), rows.sum() / counts.sum(), 1e-5)
    weighted = task.compute_loss(
        inputs, keras.ops.array(labels), logits, np.array([0.0, 1.0, 1.0])
    )
    expected = rows[1:].sum() / counts[1:].sum()
    np.testing.assert_allclose(float(weighted), expected, 1e-5)


@pytest.mark.slow
@backend
def test_padding_changes_no_valid_logits():
    task = draw_weights(translator())
    inputs, labels = batch(number_pairs(2))
    found = to_numpy(task(inputs))
    wide = {name: np.pad(ids, ((0, 0), (0, 3))) for name, ids in inputs.items()}
    again = to_numpy(task(wide))[:, : labels.shape[1]]
    real = labels != 0
    np.testing.assert_allclose(again[real], found[real], atol=1e-5)


@pytest.mark.parametrize("text", ["", "  \t", "\u3000", "\n"])
def test_an_empty_line_stays_empty(trained, text):
    task, pairs, _ = trained
    assert task.translate(text) == ""
    found = task.translate([pairs[0].source, text, pairs[1].source])
    assert found == [pairs[0].target, "", pairs[1].target]
    assert task.translate([]) == []


@pytest.mark.parametrize(
    "text", ["你好，世界", "🎉🎉", "ｏｎｅ　two", "\x00\x07a", "<s></s>"]
)
def test_text_of_any_kind_gives_text(trained, text):
    assert isinstance(trained[0].translate(text, beam=2), str)


def test_full_width_letters_are_read_as_others(trained):
    task, pairs, _ = trained
    wide = "".join(
        chr(ord(sign) + 0xFEE0) if sign.isalpha() else "\u3000"
        for sign in pairs[2].source
    )
    assert task.translate(wide) == pairs[2].target


def test_a_line_that_is_too_long_is_cut_and_joined():
    task = draw_weights(translator(max_source_tokens=8))
    found = task.translate("one two three. " * 60, beam=1, details=True)
    assert len(found["token_ids"]) > 100
    parts = task.translate("one two three.", beam=1)
    assert found["text"] == " ".join([parts] * 60).strip()


@pytest.mark.parametrize("texts", [None, 3, [None], [b"one"]])
def test_what_is_not_text_is_refused(trained, texts):
    with pytest.raises((ValueError, TypeError)):
        trained[0].translate(texts)


@pytest.mark.slow
@backend
def test_attention_is_that_of_the_pieces(trained):
    task, pairs, _ = trained
    found = task.attention(pairs[0].source)
    assert found["target_tokens"][-1] == "</s>" == found["source_tokens"][-1]
    written = "".join(found["target_tokens"][:-1]).replace("\u2581", " ")
    assert written.strip() == pairs[0].target
    shape = (1, 2, len(found["target_tokens"]), len(found["source_tokens"]))
    assert found["scores"].shape == shape
    np.testing.assert_allclose(found["scores"].sum(-1), 1.0, atol=1e-5)
    other = task.attention(pairs[0].source, "1 2 3 4 5")
    assert other["scores"].shape[2] == len(other["target_tokens"]) > 5


@backend
def test_a_preset_comes_back_and_translates_alike(trained, tmp_path):
    task, pairs, _ = trained
    task.save_preset(tmp_path / "preset", license="none")
    loaded = Task.from_preset_folder(tmp_path / "preset")
    assert type(loaded) is Translator
    assert loaded.task_config() == task.task_config()
    sources = [pair.source for pair in pairs]
    assert loaded.translate(sources) == task.translate(sources)


def test_two_vocabularies_round_trip(tmp_path):
    digits = number_tokenizer(
        [pair.target for pair in number_pairs(200)], vocabulary_size=15
    )
    transformer = Transformer(
        40, **SIZES, target_vocabulary_size=15, name="transformer"
    )
    task = draw_weights(Translator(TOKENIZER, transformer, digits))
    task.save(tmp_path / "task.keras")
    loaded = keras.models.load_model(tmp_path / "task.keras")
    assert loaded.task_config() == task.task_config()
    assert loaded.writer.vocabulary == digits.vocabulary
    assert loaded.translate("one two") == task.translate("one two")


def test_learned_positions_set_the_longest_source_and_target():
    task = draw_weights(
        translator({"positions": "learned", "max_sequence_length": 12})
    )
    found = task.translate("nine " * 20, beam=1, details=True)
    assert found["token_ids"]


def test_a_vocabulary_that_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"\[40, None\].*built for \[41, None"):
        Translator(TOKENIZER, Transformer(41, **SIZES))
    # Another vocabulary wants embeddings of its own; the same one need not.
    others = [*TOKENIZER.vocabulary[:-1], "x"]
    other = MarianTokenizer(TOKENIZER.model_bytes, others)
    with pytest.raises(ValueError, match=r"\[40, 40\].*built for \[40, None"):
        Translator(TOKENIZER, Transformer(40, **SIZES), other)
    Translator(TOKENIZER, Transformer(40, **SIZES), TOKENIZER)
    texts = [pair.source for pair in number_pairs(200)]
    blank = SentencePieceTokenizer.train(texts, 25)
    with pytest.raises(ValueError, match="vocabulary begins with .'<blank>'"):
        Translator(blank)
