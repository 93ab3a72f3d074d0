import keras
import numpy as np
import pytest

from keras_selfattn.layers import SpecAugment
from keras_selfattn.losses.cross_entropy import smoothed_cross_entropy
from keras_selfattn.tasks import Task, WhisperRecognizer
from tests.arrays import to_numpy
from tests.whisper_examples import SIZE, recognizer, sounds, tokenizer, whisper


def test_what_it_hears_does_not_depend_on_company():
    task = recognizer("en", seed=8)
    waves = list(sounds(3))
    together = task.transcribe(waves, details=True)
    for wave, expected in zip(waves, together, strict=True):
        (found,) = task.transcribe([wave], details=True, batch_size=1)
        assert found["token_ids"] == expected["token_ids"]
        assert found["score"] == pytest.approx(expected["score"], abs=1e-4)
        ids = task.reference_outputs({"samples": wave})["token_ids"]
        kept = [int(i) for i in ids if i != task.writing_rules().end_id]
        assert kept == expected["token_ids"]
    assert task.transcribe(waves[0]) == together[0]["text"]
    assert not {3, *range(14, SIZE)} & {
        i for row in together for i in row["token_ids"]
    }


def test_long_recordings_are_heard_in_pieces():
    task = recognizer("en", seed=8)
    long = np.concatenate([*sounds(2), np.zeros(900, "float32")])
    found = task.transcribe(long, details=True)
    assert len(found["token_ids"]) > 9  # more than one piece may have
    silence = task.transcribe(np.zeros(1600, "float32"))
    short = task.transcribe(np.zeros(1, "float32"))
    assert silence == short


def test_it_writes_letters_alone_where_told_so():
    task = recognizer("en", seed=8)
    free = task.transcribe(sounds(1)[0], details=True)["token_ids"]
    task.write_only("[a-c]+")
    written = task.transcribe(sounds(1)[0], details=True)
    assert free != written["token_ids"]
    assert set(written["text"].replace(" ", "")) <= set("abc")
    assert WhisperRecognizer.from_config(task.get_config()).suppressed_ids == (
        task.suppressed_ids
    )
    with pytest.raises(ValueError, match="No token of the vocabulary matches"):
        task.write_only("[0-9]")


def test_training_hides_parts_and_smooths():
    plain = recognizer("en")
    task = recognizer(
        "en", label_smoothing=0.1, spec_augment=SpecAugment(1, 4, 1, 0.5)
    )
    inputs, labels = task.training_batch(sounds(2), ["ab c", "de a"])
    logits = task(inputs)
    np.testing.assert_array_equal(to_numpy(logits), to_numpy(plain(inputs)))
    hidden = to_numpy(task(inputs, training=True))
    assert np.abs(hidden - to_numpy(logits)).max() > 1e-3

    def loss(model, training):
        return to_numpy(
            model.compute_loss(inputs, labels, logits, training=training)
        )

    assert loss(task, False) == loss(plain, True) != loss(task, True)
    again = WhisperRecognizer.from_config(task.get_config())
    assert again.label_smoothing == 0.1
    assert again.spec_augment.max_time_fraction == 0.5


def test_language_and_task_are_asked_for():
    task = recognizer("en")
    rules = task.writing_rules("de", translate=True)
    assert rules.prompt == (14, 16, 17, 19)
    assert task.writing_rules().prompt == (14, 15, 18, 19)
    assert recognizer().writing_rules().prompt == (14, 19)
    task = recognizer("German", translate=True)
    assert task.language == "de" and task.multilingual
    assert task.writing_rules() == rules
    again = WhisperRecognizer.from_config(task.get_config())
    assert again.writing_rules() == rules
    assert again.writing_rules("<|en|>", False).prompt == (14, 15, 18, 19)
    with pytest.raises(ValueError, match=r"'fr'; .* en \(english\), de \(ger"):
        task.transcribe(sounds(1)[0], language="fr")
    with pytest.raises(ValueError, match="beam=0"):
        task.transcribe(sounds(1)[0], beam=0)
    with pytest.raises(ValueError, match=r"expected True, None or a Temperat"):
        task.transcribe(sounds(1)[0], fallback=(0.0, 1.0))
    with pytest.raises(ValueError, match="has no mark of a language"):
        bare = tokenizer().get_config()
        bare["vocabulary"][15:17] = ["<|x|>", "<|y|>"]
        WhisperRecognizer(bare, whisper(), multilingual=True)


def test_languages_are_detected_where_none_is_told(monkeypatch):
    task = recognizer(seed=8, multilingual=True)
    rows = task.sound_rows
    tone = np.sin(0.3 * np.arange(1600)) * np.linspace(1, 0, 1600)
    waves = [sounds(1)[0], tone, np.concatenate(sounds(2))]
    best = [next(iter(row)) for row in task.detect_language(waves)]
    assert best[:2] == ["de", "en"]
    found = task.transcribe(waves, details=True)
    for wave, language, row in zip(waves, best, found, strict=True):
        assert row["language"] == language
        alone = task.transcribe(wave, language=language, details=True)
        assert row["token_ids"] == alone["token_ids"]
    # Whoever was heard for their language is not heard again.
    heard = []
    monkeypatch.setattr(
        task, "sound_rows", lambda p: heard.append(len(p)) or rows(p)
    )
    again = task.transcribe(waves, details=True, batch_size=2)
    assert [row["token_ids"] for row in again] == [
        row["token_ids"] for row in found
    ]
    assert heard == [2, 1, 2]  # at last the other pieces of the third
    translated = task.transcribe(waves[0], translate=True, details=True)
    assert translated["language"] == best[0]
    for call in (
        lambda: task.training_batch([waves[0]], ["a"]),
        lambda: task.export("never.tflite"),
    ):
        with pytest.raises(ValueError, match="was not told which is spoken"):
            call()


def test_a_model_of_english_alone_says_so():
    task, wave = recognizer(seed=8), sounds(1)[0]
    found = task.transcribe(wave, language="English", details=True)
    assert found == task.transcribe(wave, details=True)
    assert found["language"] == "en"
    for call in (
        lambda: task.detect_language(wave),
        lambda: task.transcribe(wave, language="de"),
        lambda: task.transcribe(wave, translate=True),
        lambda: task.export("never.tflite", language="de"),
        lambda: recognizer("de", multilingual=False),
    ):
        with pytest.raises(ValueError, match="English alone"):
            call()
    with pytest.raises(ValueError, match="'klingon'; expected one .* more"):
        task.transcribe(wave, language="klingon")


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="has 24 tokens, but the model .* 23"):
        WhisperRecognizer(tokenizer(24), whisper())
    with pytest.raises(ValueError, match="max_new_tokens=17; expected 1 to 16"):
        recognizer("en", max_new_tokens=17)
    task = recognizer("en")
    with pytest.raises(ValueError, match="1601 samples; .* at most 1600"):
        task.training_batch([np.zeros(1601, "float32")], ["a"])
    with pytest.raises(ValueError, match="at most 20"):
        task.training_batch([sounds(1)[0]], ["ab" * 20])


@pytest.mark.slow
@pytest.mark.backend
def test_it_learns_a_batch_and_says_it():
    keras.utils.set_random_seed(0)
    task = recognizer("en", suppressed_first_ids=(13,))
    for variable in task.weights:
        if variable.path.endswith(("kernel", "embeddings")):
            variable.assign(0.3 * variable.value)
    waves, texts = list(sounds(2)), ["ab c!", "de a"]
    waves[1] = np.sin(np.arange(1600) * 0.3).astype("float32")
    inputs, labels = task.training_batch(waves, texts)
    assert (labels[:, :3] == -1).all() and labels[0, -1] == 13
    before = to_numpy(
        task.compute_loss(inputs, labels, task(inputs, training=False))
    )
    costs = to_numpy(
        smoothed_cross_entropy(np.maximum(labels, 0), task(inputs))
    )
    np.testing.assert_allclose(before, costs[labels >= 0].mean(), rtol=1e-5)
    task.compile(keras.optimizers.Adam(1e-2))
    task.fit(inputs, labels, epochs=60, batch_size=2, verbose=0)
    assert task.transcribe(waves) == texts


def test_a_preset_folder_comes_back(tmp_path):
    task = recognizer("en", seed=8)
    task.save_preset(tmp_path / "tiny", language="en")
    again = Task.from_preset_folder(tmp_path / "tiny")
    assert again.writing_rules() == task.writing_rules()
    wave = sounds(1)[0]
    assert again.transcribe(wave) == task.transcribe(wave)


def test_its_file_writes_what_it_writes(exported_whisper):
    task, _, report = exported_whisper
    assert not report.not_built_in
    assert report.equal == report.compared == 16
    assert "WHILE" in report.ops
    probes = [p["samples"] for p in task.export_probes()]
    assert {len(p) for p in probes} == {1280}
