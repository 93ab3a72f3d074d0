"""train/report_language.py: the table of language models."""

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
