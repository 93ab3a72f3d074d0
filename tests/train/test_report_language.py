"""train/report_language.py: the tables of language models."""

from types import SimpleNamespace


def test_a_loss_stands_with_its_command(load_script):
    result = {
        "dataset": "plays",
        "split": "last 10%",
        "tokens": 1000,
        "loss": 1.8765,
        "bits_a_character": 2.7072,
        "sliding_loss": 1.7,
        "file": "model.tflite",
        "command": "python measure.py",
    }
    preset = SimpleNamespace(name="mine", task="CausalLM", results=[result])
    other = SimpleNamespace(name="other", task="Translator", results=[{}])
    text = load_script("train/report_language.py").render_language(
        [preset, other]
    )
    assert "| plays last 10% | 1,000 | 1.877 | 2.707 | 1.700 |" in text
    assert "python measure.py" in text and "other" not in text


def test_answers_and_hidden_words_stand_with_their_commands(load_script):
    script = load_script("train/report_language.py")
    common = {"split": "dev", "file": "model.tflite"}
    answers = {"examples": 1500, "accuracy": 0.5, "bleu": 20.13, "chrf": 48.0}
    hidden = {"texts": 2, "hidden": 30, "accuracy": 0.25, "among_ten": 0.5}
    near = {"examples": 7, "by": "cosine", "accuracy": 0.5, "f1": 0.625}
    vectors = near | common | {"dataset": "pairs", "command": "c"}
    presets = [
        SimpleNamespace(
            name="five",
            task="TextToText",
            results=[answers | common | {"dataset": "spell", "command": "a"}],
        ),
        SimpleNamespace(
            name="bert",
            task="MaskedLM",
            results=[hidden | common | {"dataset": "films", "command": "b"}],
        ),
        SimpleNamespace(name="minilm", task="MaskedLM", results=[vectors]),
    ]
    text = script.render_answers(presets)
    assert "| spell dev | 1,500 | 50.0 | 20.1 | 48.0 |" in text
    assert "bert" not in text
    text = script.render_masked(presets)
    assert "| films dev | 2 | 30 | 25.0 | 50.0 |" in text
    assert "five" not in text and "minilm" not in text
    text = script.render_embeddings(presets)
    assert "| pairs dev | 7 | cosine | 50.0 | 62.5 |  |" in text
    assert "bert" not in text
    vectors["least_cosine"] = 0.9876
    text = script.render_embeddings(presets)
    assert "| 62.5 | 0.988 |" in text
