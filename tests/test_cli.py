"""The command: its surface, and what is wrong usage."""

import pytest
from typer.main import get_command

from keras_selfattn import cli
from tests.command_line import run

SURFACE = {
    "": ["--help", "--version"],
    "transcribe": [
        "--beam",
        "--endpoint-seconds",
        "--grammar",
        "--help",
        "--json",
        "--lm",
        "--one-pass",
        "--phrase",
        "--preset",
        "--spellings",
        "--stream",
        "--threads",
        "FILE",
    ],
    "classify": ["--help", "--json", "--preset", "--threads", "TEXT"],
    "embed": [
        "--help",
        "--json",
        "--near",
        "--out",
        "--preset",
        "--threads",
        "--top",
        "[TEXT]",
    ],
    "answer": [
        "--beam",
        "--help",
        "--json",
        "--keep-sentinels",
        "--prefix",
        "--preset",
        "--threads",
        "[TEXT]",
    ],
    "fill": ["--help", "--json", "--preset", "--threads", "--top", "[TEXT]"],
    "write": [
        "--help",
        "--json",
        "--preset",
        "--search",
        "--seed",
        "--temperature",
        "--threads",
        "--tokens",
        "--top-k",
        "--top-p",
        "TEXT",
    ],
    "export": [
        "--chunk-frames",
        "--help",
        "--quantize",
        "--representative",
        "--saved-model",
        "--text",
        "OUT.tflite",
        "PRESET",
    ],
    "generate": [
        "--count",
        "--help",
        "--label",
        "--out",
        "--preset",
        "--scale",
        "--seed",
        "--threads",
        "--truncation",
    ],
    "lint": ["--help", "FILE.tflite"],
    "serve": [
        "--allow-host",
        "--batch-size",
        "--batch-wait-ms",
        "--help",
        "--host",
        "--max-audio-seconds",
        "--max-streams",
        "--max-upload-mib",
        "--port",
        "--preset",
        "--queue",
        "--search-folder",
        "--time-limit",
        "--token",
        "--workers",
    ],
    "translate": [
        "--alpha",
        "--beam",
        "--help",
        "--json",
        "--preset",
        "--threads",
        "[TEXT]",
    ],
    "zoo": ["--help"],
    "zoo list": ["--help"],
    "zoo card": ["--help", "PRESET"],
    "zoo verify": ["--help", "PRESET"],
}


def test_the_surface_is_this_one():
    found = {}

    def visit(name, item):
        parts = []
        for part in item.params:
            is_option = part.param_type_name == "option"
            parts += part.opts if is_option else [part.metavar]
        found[name] = sorted([*parts, "--help"])
        for key, child in getattr(item, "commands", {}).items():
            visit(f"{name} {key}".strip(), child)

    visit("", get_command(cli.app))
    assert found == SURFACE


@pytest.mark.parametrize("name", sorted(SURFACE))
def test_help_names_every_option(name):
    result = run(*name.split(), "--help")
    assert result.exit_code == 0
    for part in SURFACE[name]:
        assert part in result.stdout


def test_version_is_the_package_version():
    import keras_selfattn

    assert run("--version").stdout == keras_selfattn.__version__ + "\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["transcribe", "x.wav", "--preset", "tiny_as"], "Nearest: tiny_asr"),
        (["transcribe", "x.wav", "--preset", "no.tflite"], "does not exist"),
        (["transcribe", "x.wav", "--preset", "./no"], "not a preset folder"),
        (["classify", "x", "--preset", "tiny_tex"], "Nearest: tiny_text"),
        (["classify", "x", "--preset", "asr"], "is no text classifier"),
        (["transcribe", "x", "--preset", "tiny_text"], "no speech recogniser"),
        (
            ["generate", "--label", "0", "--out", "x.png", "--preset", "asr"],
            "no image generator",
        ),
        (["zoo", "card", "tiny_as"], "Nearest: tiny_asr"),
        (["zoo", "verify", "tiny_as"], "Nearest: tiny_asr"),
        (["export", "tiny_as", "out.tflite"], "Nearest: tiny_asr"),
        (["export", "asr", "no/out.tflite"], "no: no such folder"),
        (["export", "asr", "."], "is a folder"),
        (["lint", "missing.tflite"], "missing.tflite cannot be read"),
    ],
)
def test_bad_arguments_give_one_line_and_exit_code_2(home, arguments, message):
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["transcribe"],
        ["transcribe", "x.wav", "--threads", "0"],
        ["transcribe", "x.wav", "--threads", "two"],
        ["classify", "x", "--threads", "0"],
        ["export", "asr", "out.tflite", "--quantize", "int4"],
        ["generate", "--out", "x.png"],
        ["generate", "--label", "0"],
        ["generate", "--label", "0", "--out", "x.png", "--count", "0"],
        ["unknown"],
    ],
)
def test_wrong_usage_is_exit_code_2(arguments):
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage:" in result.stderr


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("model.tflite", ["transcribe", "x.wav"]),
        ("model.safetensors", ["export", "asr", "OUT"]),
        ("preset.json", ["transcribe", "x.wav"]),
        ("sample.wav", ["zoo", "verify", "asr"]),
    ],
)
def test_one_changed_byte_is_refused(home, tmp_path, name, arguments):
    path = home / "asr" / "tiny_asr" / name
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    out = tmp_path / "out.tflite"
    result = run(*(out if part == "OUT" else part for part in arguments))
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{name} is damaged" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not out.exists()
