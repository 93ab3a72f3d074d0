"""The C runner: built with warnings as errors, sanitized, and for arm64."""

import importlib.util
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.device_runners import (
    GOLDEN,
    MODEL,
    OTHER_MODEL,
    RUNNERS,
    SPEECH,
    TEXT,
    largest_difference,
    run,
    speech,
    spoiled_golden,
    write_wav,
)

FOLDER = RUNNERS / "c"


def library():
    """The folder of libLiteRt.so, or None."""
    spec = importlib.util.find_spec("ai_edge_litert")
    folder = Path(spec.submodule_search_locations[0]) if spec else None
    return folder if folder and (folder / "libLiteRt.so").exists() else None


def build(folder, *options):
    for tool in ("make", "gcc"):
        if not shutil.which(tool):
            pytest.skip(f"the C runner needs {tool}")
    if not library():
        pytest.skip("this ai-edge-litert brings no libLiteRt.so")
    code, out, err = run(
        [
            "make",
            "-j2",
            "-C",
            FOLDER,
            "CC=gcc",
            f"BUILD={folder}",
            f"LITERT={library()}",
            *options,
        ]
    )
    assert code == 0, out + err
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(tmp_path_factory.mktemp("c"))


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory):
    """Address and undefined behaviour are watched, leaks too."""
    folder = tmp_path_factory.mktemp("sanitized")
    return build(folder, "SANITIZE=address,undefined", "CFLAGS=-O0 -g")


def test_the_golden_folder_is_reproduced(built):
    code, out, err = run([built / "stream", MODEL, "--golden", GOLDEN])
    assert code == 0, err
    assert largest_difference(out) < 1e-4


def test_a_wav_and_raw_samples_are_text(built):
    code, out, err = run([built / "stream", MODEL, SPEECH])
    assert (code, out) == (0, f"{TEXT}\n"), err
    raw = np.concatenate([speech(), np.zeros(24000), speech()]) * 32768
    code, out, err = run(
        [built / "stream", MODEL, "-"],
        input=raw.astype("<i2").tobytes() + b"\x01",
        text=False,
    )
    assert (code, out.decode()) == (0, f"{TEXT}\n{TEXT}\n"), err


def test_what_is_refused_changes_nothing(sanitized):
    code, out, err = run([sanitized / "check", MODEL])
    assert (code, out.splitlines()[-1]) == (0, "ok"), out + err
    assert "runtime error" not in err


def test_nothing_is_written_where_it_must_not_be(sanitized, tmp_path):
    code, out, err = run([sanitized / "stream", MODEL, "--golden", GOLDEN])
    assert code == 0, err
    assert "runtime error" not in err
    for width in (1, 3, 4):
        path = write_wav(tmp_path / "a.wav", speech(), 16000, width, 2)
        code, out, err = run([sanitized / "stream", MODEL, path])
        assert (code, out) == (0, f"{TEXT}\n"), err
        assert "runtime error" not in err


def add(amount):
    def change(values):
        values[4:5].flat[0] += amount
        return values

    return change


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("log_probabilities", add(0.01), "larger than what is allowed"),
        ("next_state_stage_0_key", add(np.nan), "larger than what is allowed"),
        ("token_ids", add(1), "Chunk 4 gave other tokens"),
        ("next_state_samples", lambda x: x[:, :, 1:], "of another model"),
        ("num_samples", add(1), "A chunk of 2561 samples came"),
    ],
)
def test_a_difference_is_seen(sanitized, tmp_path, name, change, message):
    folder = spoiled_golden(tmp_path / "spoiled", name, change)
    code, _, err = run([sanitized / "stream", MODEL, "--golden", folder])
    assert code == 1
    assert message in err.splitlines()[-1]


def test_files_that_cannot_be_used(sanitized, tmp_path):
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(MODEL.read_bytes()[:5000])
    slow = write_wav(tmp_path / "slow.wav", speech(), 8000)
    short = tmp_path / "short.wav"
    short.write_bytes(SPEECH.read_bytes()[:30])
    for arguments, message in (
        ((MODEL, slow), "has 8000 Hz, the model takes 16000 Hz: sox"),
        ((MODEL, short), "is no WAV file"),
        ((MODEL, tmp_path / "no.wav"), "No such file"),
        ((MODEL, "--golden", tmp_path), "golden.json: No such file"),
        ((tmp_path / "no.tflite", SPEECH), "No such file"),
        ((SPEECH, SPEECH), "is not a .tflite file"),
        ((cut, SPEECH), "is a broken .tflite file"),
        ((OTHER_MODEL, SPEECH), "is no streaming recogniser"),
    ):
        code, out, err = run([sanitized / "stream", *arguments])
        assert (code, out) == (1, ""), err
        assert message in err.splitlines()[-1]
    assert run([sanitized / "stream", MODEL])[0] == 2


@pytest.mark.proof
def test_it_runs_on_arm64(tmp_path):
    code, out, err = run(
        [FOLDER / "run_arm64.sh", MODEL, GOLDEN, SPEECH],
        env={**os.environ, "BUILD": str(tmp_path)},
    )
    if code == 77:
        pytest.skip(err.splitlines()[-1])
    assert code == 0, err
    assert "\nok\n" in out
    assert largest_difference(out) < 1e-3
    assert out.splitlines()[-1] == TEXT
