"""`keras-selfattn export`, `lint` and `zoo`."""

import json
import shutil

import pytest

from keras_selfattn import zoo
from keras_selfattn.export import lint
from tests.command_line import TINY, run


@pytest.fixture(scope="module")
def text():
    return json.loads((TINY / "preset.json").read_text())["reference"]["text"]


def test_zoo_lists_shows_and_verifies(home, text):
    lines = run("zoo", "list").stdout.splitlines()
    first, image, second, third = lines
    assert image.startswith("tiny_image\timage-generation\tImageGenerator\t-")
    assert second.startswith("tiny_text\ttext-classification\tTextClass")
    assert third.startswith("tiny_translation\ttranslation\tTranslator")
    columns = first.split("\t")
    assert columns[:4] == ["tiny_asr", "asr", "SpeechRecognizer", "en"]
    assert run("zoo", "card", "asr").stdout.startswith("# tiny_asr\n")
    result = run("zoo", "verify", "asr")
    assert result.exit_code == 0
    assert repr(text) in result.stdout


def test_presets_of_texts_are_verified_on_their_sentences(home):
    result = run("zoo", "verify", "text-classification")
    assert result.exit_code == 0
    assert "sample gives 'good'" in result.stdout
    result = run("zoo", "verify", "translation")
    assert "sample gives '7 3 9'" in result.stdout
    result = run("zoo", "verify", "image-generation")
    assert result.stdout.endswith("intact; draws its 3 images\n")


def test_export_of_images_to_int8_gets_classes(home, tmp_path, monkeypatch):
    calls = []

    class Task:
        def export(self, path, quantize, representative):
            calls.append(representative)

    monkeypatch.setattr(zoo, "load", lambda name: Task())
    words = ["export", "tiny_image", tmp_path / "out.tflite"]
    assert run(*words, "--quantize", "int8").exit_code == 0
    assert calls == [["0", "1", "2"]]
    result = run(*words, "--quantize", "int8", "--representative", tmp_path)
    assert result.exit_code == 2 and "on its own classes" in result.stderr


@pytest.mark.parametrize("given", [True, False])
def test_export_of_texts_to_int8_gets_texts(home, tmp_path, monkeypatch, given):
    calls = []

    class Task:
        def export(self, path, quantize, representative):
            calls.append(representative)

    monkeypatch.setattr(zoo, "load", lambda name: Task())
    (tmp_path / "texts.txt").write_text("so good\nso bad\n")
    options = ["--representative", tmp_path / "texts.txt"] if given else []
    out = tmp_path / "out.tflite"
    result = run("export", "tiny_text", out, "--quantize", "int8", *options)
    assert (result.exit_code, result.stdout) == (0, "")
    sample = zoo.describe("tiny_text")["reference"]["text"]
    assert calls == [["so good", "so bad"] if given else [sample]]


def test_lint_is_silent_on_stdout_where_all_is_built_in():
    result = run("lint", TINY / "model.tflite")
    assert (result.exit_code, result.stdout) == (0, "")


def test_lint_names_what_it_finds(monkeypatch):
    finding = lint.Finding("FlexErf", "flex", "encoder/feed_forward")
    monkeypatch.setattr(lint, "lint", lambda path: [finding])
    result = run("lint", TINY / "model.tflite")
    assert result.exit_code == 1
    for part in ("FlexErf", "encoder/feed_forward"):
        assert part in result.stdout


def test_lint_refuses_another_file(tmp_path):
    (tmp_path / "model.tflite").write_text("no model")
    result = run("lint", tmp_path / "model.tflite")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("quantize", [None, "float16"])
def test_export_loads_the_preset_and_exports_it(
    home, tmp_path, monkeypatch, quantize
):
    calls = []

    class Task:
        def export(self, path, quantize):
            calls.append((path, quantize))

    monkeypatch.setattr(zoo, "load", lambda name: Task())
    options = [] if quantize is None else ["--quantize", quantize]
    out = tmp_path / "out.tflite"
    result = run("export", "asr", out, *options)
    assert (result.exit_code, result.stdout) == (0, "")
    assert calls == [(out, quantize or "none")]


@pytest.mark.parametrize("given", [True, False])
def test_export_to_int8_gets_recordings(home, tmp_path, monkeypatch, given):
    calls = []

    class Task:
        def export(self, path, quantize, representative):
            calls.append((quantize, representative))

    monkeypatch.setattr(zoo, "load", lambda name: Task())
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    shutil.copy(TINY / "sample.wav", recordings / "speech.wav")
    options = ["--representative", recordings] if given else []
    out = tmp_path / "out.tflite"
    result = run("export", TINY, out, "--quantize", "int8", *options)
    assert (result.exit_code, result.stdout) == (0, "")
    wanted = recordings / "speech.wav" if given else TINY / "sample.wav"
    assert calls == [("int8", [wanted])]


def test_export_sets_the_chunks_of_a_stream(home, tmp_path, monkeypatch):
    class Task:
        chunk_frames = 16

        def export(self, path, quantize):
            calls.append(self.chunk_frames)

    calls, out = [], tmp_path / "out.tflite"
    monkeypatch.setattr(zoo, "load", lambda name: Task())
    assert run("export", "asr", out).exit_code == 0
    assert run("export", "asr", out, "--chunk-frames", "4").exit_code == 0
    assert calls == [16, 4]
    monkeypatch.setattr(zoo, "load", lambda name: object())
    result = run("export", "tiny_text", out, "--chunk-frames", "4")
    assert result.exit_code == 2
    assert "tiny_text is no speech recogniser" in result.stderr


@pytest.mark.parametrize("option, text", [("--saved-model", 0), ("--text", 1)])
def test_export_for_servers_is_a_folder(
    home, tmp_path, monkeypatch, option, text
):
    from keras_selfattn.export import saved_model

    calls = []
    monkeypatch.setattr(zoo, "load", lambda name: name)
    monkeypatch.setattr(
        saved_model,
        "export_saved_model",
        lambda task, path, text: calls.append((task, path, text)),
    )
    out = tmp_path / "served"
    out.mkdir()
    result = run("export", "tiny_text", out, option)
    assert (result.exit_code, result.stdout) == (0, "")
    assert calls == [("tiny_text", out, bool(text))]
    result = run("export", "tiny_text", out, option, "--quantize", "float16")
    assert result.exit_code == 2 and "leave out --quantize" in result.stderr


def test_export_to_onnx_goes_by_the_suffix(home, tmp_path, monkeypatch):
    from keras_selfattn.export import onnx

    calls = []
    monkeypatch.setattr(zoo, "load", lambda name: name)
    monkeypatch.setattr(onnx, "export_onnx", lambda *args: calls.append(args))
    out = tmp_path / "asr.onnx"
    result = run("export", "asr", out)
    assert (result.exit_code, result.stdout) == (0, "")
    assert calls == [("asr", out)]
    result = run("export", "asr", out, "--quantize", "dynamic")
    assert result.exit_code == 2 and "ONNX keep float32" in result.stderr
