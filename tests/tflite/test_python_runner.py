"""The Python runner: golden folder, WAV files, raw samples, bad input."""

import ast
import sys

import numpy as np
import pytest

from tests.device_runners import (
    GOLDEN,
    MODEL,
    OTHER_MODEL,
    RUNNERS,
    SPEECH,
    TEXT,
    golden,
    largest_difference,
    run,
    speech,
    spoiled_golden,
    write_wav,
)

SCRIPT = RUNNERS / "python" / "stream.py"


@pytest.fixture(scope="module")
def stream(load_script):
    return load_script("tflite/python/stream.py")


@pytest.fixture
def recognizer(stream):
    return stream.Recognizer(MODEL)


def test_the_golden_folder_is_reproduced_by_the_command():
    code, out, err = run([sys.executable, SCRIPT, MODEL, "--golden", GOLDEN])
    assert code == 0, err
    assert largest_difference(out) < 1e-4


def test_a_wav_and_raw_samples_are_text():
    code, out, err = run([sys.executable, SCRIPT, MODEL, SPEECH])
    assert (code, out) == (0, f"{TEXT}\n"), err
    pause = np.zeros(24000)
    raw = np.concatenate([speech(), pause, speech()]) * 32768
    code, out, err = run(
        [sys.executable, SCRIPT, MODEL, "-"],
        input=raw.astype("<i2").tobytes() + b"\x01",
        text=False,
    )
    assert (code, out.decode()) == (0, f"{TEXT}\n{TEXT}\n"), err


def test_it_needs_numpy_and_litert_alone():
    tree = ast.parse(SCRIPT.read_text(encoding="utf8"))
    names = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    roots = {name.split(".")[0] for name in names}
    assert roots - sys.stdlib_module_names == {"numpy", "ai_edge_litert"}


def test_a_difference_is_seen(stream, recognizer, tmp_path, capsys):
    def spoil(name, change):
        return spoiled_golden(tmp_path / name, name, change)

    def at(chunk, amount):
        def change(values):
            values[chunk].flat[0] += amount
            return values

        return change

    compare, refused = stream.compare, stream.RunnerError
    with pytest.raises(refused, match="larger than what is allowed"):
        compare(recognizer, spoil("log_probabilities", at(3, 0.01)))
    with pytest.raises(refused, match="larger than what is allowed"):
        compare(recognizer, spoil("next_state_samples", at(-1, 0.01)))
    with pytest.raises(refused, match=r"Chunk 5 gave the tokens"):
        compare(recognizer, spoil("token_ids", at(5, 1)))
    with pytest.raises(refused, match="larger than what is allowed"):
        compare(recognizer, GOLDEN, tolerance=1e-9)
    capsys.readouterr()


def test_other_folders_are_refused(stream, recognizer, tmp_path):
    with pytest.raises(stream.RunnerError, match="no golden folder"):
        stream.compare(recognizer, tmp_path)
    recognizer.chunk_frames = 5
    with pytest.raises(stream.RunnerError, match="of another model"):
        stream.compare(recognizer, GOLDEN)


def test_what_is_refused_changes_nothing(stream, recognizer):
    _, arrays = golden()
    first, second = arrays["samples"][:2]
    recognizer.step(first)
    expected = recognizer.step(second)
    recognizer.reset()
    recognizer.step(first)
    states = recognizer.states
    broken = second.copy()
    broken[9] = np.nan
    for samples, message in (
        (np.zeros(0), r"shape \(0,\)"),
        (np.append(second, 0), r"expected \(2560,\)"),
        (second[None], "A chunk of shape"),
        (broken, "1 of 2560 samples are NaN"),
        (second + np.inf, "NaN or infinite"),
    ):
        with pytest.raises(stream.RunnerError, match=message):
            recognizer.step(samples)
    name = "stage_0_key"
    for change, message in (
        ({name: states[name][:, :, 1:]}, "it is another model's"),
        ({name: states[name].astype("float64")}, "it is another model's"),
        ({name: states[name] * np.nan}, "NaN or infinite"),
        ({"another": states[name]}, "states of another model"),
    ):
        with pytest.raises(stream.RunnerError, match=message):
            recognizer.set_states({**states, **change})
    found = recognizer.step(second)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 2])
def test_wav_files_of_every_width(stream, tmp_path, width, channels):
    path = write_wav(tmp_path / "a.wav", speech(), 16000, width, channels)
    found = stream.read_wav(path, 16000)
    np.testing.assert_allclose(found, speech(), atol=2.0 ** (2 - 8 * width))


def test_files_that_cannot_be_used(stream, tmp_path):
    code, out, err = run(
        [
            sys.executable,
            SCRIPT,
            MODEL,
            write_wav(tmp_path / "a.wav", speech(), 8000),
        ]
    )
    assert (code, out) == (1, "")
    assert "has 8000 Hz, the model takes 16000 Hz: sox" in err
    assert "Traceback" not in err
    with pytest.raises(stream.RunnerError, match="no PCM WAV"):
        stream.read_wav(MODEL, 16000)
    with pytest.raises(stream.RunnerError, match="No such file"):
        stream.Recognizer(tmp_path / "no.tflite")
    with pytest.raises(stream.RunnerError, match="not a .tflite file"):
        stream.Recognizer(SPEECH)
    with pytest.raises(stream.RunnerError, match="lacks stream"):
        stream.Recognizer(OTHER_MODEL)
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(MODEL.read_bytes()[:5000])
    with pytest.raises(stream.RunnerError, match="broken"):
        stream.Recognizer(cut)


def test_pieces_of_words_and_special_tokens(stream):
    vocabulary = ["<blank>", "\u2581he", "llo", "\u2581you", "<unk>", "<"]
    assert stream.detokenize([1, 2, 3, 4], vocabulary) == "hello you"
    assert stream.detokenize([5], vocabulary) == "<"
