"""Reading sound files, refusing bad ones, cutting long ones."""

import os

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_selfattn.preprocessing.audio import (
    AudioError,
    AudioTooLong,
    check_samples,
    read_audio,
    split_at_silence,
)


def tone(seconds, rate_hz, frequency_hz=440.0):
    time = np.arange(int(seconds * rate_hz)) / rate_hz
    return 0.5 * np.sin(2 * np.pi * frequency_hz * time)


def write(path, samples, rate_hz=16000, **kwargs):
    soundfile.write(path, samples, rate_hz, **kwargs)
    return path


@pytest.mark.parametrize(
    "name, subtype",
    [
        ("a.wav", "PCM_16"),
        ("a.wav", "FLOAT"),
        ("a.flac", "PCM_16"),
        ("a.aiff", "PCM_16"),
        ("a.au", "PCM_16"),
        ("a.w64", "PCM_16"),
    ],
)
def test_lossless_formats_give_the_samples(tmp_path, name, subtype):
    samples = tone(0.5, 16000)
    read = read_audio(write(tmp_path / name, samples, subtype=subtype))
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, samples, atol=4e-5)


@pytest.mark.parametrize("name", ["a.ogg", "a.opus", "a.mp3"])
def test_lossy_formats_keep_length_and_pitch(tmp_path, name):
    kwargs = {"format": "OGG", "subtype": "OPUS"} if "opus" in name else {}
    path = write(tmp_path / name, tone(1.0, 16000), **kwargs)
    read = read_audio(path)
    assert abs(len(read) - 16000) <= 1200
    assert np.argmax(np.abs(np.fft.rfft(read, 16000))) == 440


def test_eight_channels_at_192_khz_are_mixed_and_resampled(tmp_path):
    mono = tone(0.5, 192000)
    weights = np.linspace(0.2, 1.8, 8)  # their mean is 1
    path = write(tmp_path / "a.wav", mono[:, None] * weights * 0.5, 192000)
    read = read_audio(path)
    assert read.shape == (8000,)
    inside = slice(200, -200)  # the filter rings at the ends
    np.testing.assert_allclose(
        read[inside], 0.5 * tone(0.5, 16000)[inside], atol=1e-3
    )


def test_other_rates_can_be_asked_for(tmp_path):
    path = write(tmp_path / "a.wav", tone(0.5, 16000))
    assert read_audio(path, 8000).shape == (4000,)


def test_a_long_file_is_read_in_blocks_without_seams(tmp_path):
    samples = np.random.default_rng(0).uniform(-0.9, 0.9, (600_000, 2))
    path = write(tmp_path / "a.wav", samples, subtype="FLOAT")
    np.testing.assert_allclose(read_audio(path), samples.mean(1), atol=1e-6)


def cut(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9999])
@pytest.mark.parametrize(
    "name",
    ["a.wav", "a.flac", "a.ogg", "a.opus", "a.aiff", "a.au", "a.w64", "a.rf64"],
)
def test_files_cut_short_are_refused(tmp_path, name, share):
    kwargs = {"format": "OGG", "subtype": "OPUS"} if "opus" in name else {}
    path = write(tmp_path / name, tone(2.0, 16000), **kwargs)
    assert len(read_audio(path)) == 32000
    with pytest.raises(AudioError, match=str(path)):
        read_audio(cut(path, share))


def test_an_mp3_cut_in_the_middle_is_refused(tmp_path):
    path = cut(write(tmp_path / "a.mp3", tone(2.0, 16000)), 0.5)
    with pytest.raises(AudioError, match="cut short"):
        read_audio(path)


def test_the_message_of_a_cut_wav_has_both_sizes(tmp_path):
    path = cut(write(tmp_path / "a.wav", tone(1.0, 16000)), 0.5)
    with pytest.raises(AudioError, match="promises 32000 .* 15978 are there"):
        read_audio(path)


def test_a_wav_written_to_a_pipe_is_read(tmp_path):
    """Its writer could not know the size, and said 0xFFFFFFFF."""
    path = write(tmp_path / "a.wav", tone(0.5, 16000))
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert read_audio(path).shape == (8000,)


def test_a_wav_whose_last_notes_are_cut_is_read(tmp_path):
    """All the sound is there; only a chunk after it is not."""
    path = write(tmp_path / "a.wav", tone(0.5, 16000))
    content = bytearray(path.read_bytes())
    size = int.from_bytes(content[4:8], "little") + 100
    content[4:8] = size.to_bytes(4, "little")
    content += b"LIST" + (92).to_bytes(4, "little") + b"INFO"
    path.write_bytes(content)
    assert read_audio(path).shape == (8000,)


@pytest.mark.parametrize(
    "name, content, reason",
    [
        ("text.wav", b"these are words, not sound\n" * 50, "not a sound"),
        ("empty.wav", b"", "empty"),
        ("zeros.wav", bytes(5000), "not a sound"),
        ("a.raw", bytes(5000), "headerless"),
    ],
)
def test_what_is_no_sound_file_is_refused(tmp_path, name, content, reason):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AudioError, match=reason) as caught:
        read_audio(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(AudioError, match="no such file"):
        read_audio(tmp_path / "none.wav")
    with pytest.raises(AudioError, match="not a file"):
        read_audio(tmp_path)
    with pytest.raises(AudioError, match="cannot be read"):
        read_audio("a" * 5000)


def test_paths_may_be_str_bytes_or_path(tmp_path):
    path = write(tmp_path / "ä b.wav", tone(0.1, 16000))
    expected = read_audio(path)
    for same in (str(path), os.fsencode(path)):
        np.testing.assert_array_equal(read_audio(same), expected)


def test_files_without_samples_or_with_nan_are_refused(tmp_path):
    path = write(tmp_path / "a.wav", np.zeros(0))
    with pytest.raises(AudioError, match="0 samples"):
        read_audio(path)
    samples = tone(0.1, 16000)
    samples[[3, 7]] = np.nan
    path = write(tmp_path / "b.wav", samples, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"b.wav: 2 of 1600 .* NaN"):
        read_audio(path)


def test_a_file_at_an_absurd_rate_is_refused(tmp_path):
    path = write(tmp_path / "a.wav", tone(0.5, 16000), 10)
    with pytest.raises(AudioError, match="10 Hz"):
        read_audio(path)


def test_check_samples_gives_float32():
    checked = check_samples([0.0, 0.5, -1.0])
    assert checked.dtype == np.float32
    np.testing.assert_array_equal(checked, [0.0, 0.5, -1.0])


@pytest.mark.parametrize(
    "samples, reason",
    [
        (np.zeros(0), "0 samples"),
        (np.zeros((2, 100)), r"shape \(2, 100\)"),
        (np.float32(1.0), "shape"),
        ([[0.0], [0.0, 1.0]], "not an array"),
        (np.zeros(10, "int16"), r"int16.*/ 32768"),
        (np.zeros(10, "complex64"), "complex64"),
        (["a", "b"], "dtype"),
        ([0.0, np.inf], "infinite"),
        (np.full(9, 1000.0), "highest sample is 1000"),
    ],
)
def test_check_samples_refuses(samples, reason):
    with pytest.raises(AudioError, match=reason):
        check_samples(samples)


def test_silence_is_where_the_cut_is():
    rate = 1000
    samples = np.random.default_rng(0).uniform(-1, 1, 30 * rate)
    samples[17 * rate : 18 * rate] = 0.0
    pieces = split_at_silence(samples, rate, 20.0)
    assert len(pieces) == 2
    assert 17 * rate <= pieces[0][1] <= 18 * rate
    again = split_at_silence(samples, rate, 20.0)
    assert pieces == again


def test_short_recordings_are_not_cut():
    assert split_at_silence(np.zeros(16000), 16000, 1.0) == [(0, 16000)]
    assert split_at_silence(np.zeros(0), 16000) == []


def test_pieces_of_a_few_samples_are_refused():
    with pytest.raises(ValueError, match="at least 4"):
        split_at_silence(np.zeros(100), 16000, 0.0001)


@settings(deadline=None, max_examples=60)
@given(
    length=st.integers(0, 5000),
    rate=st.integers(100, 1000),
    max_seconds=st.floats(0.05, 3.0),
    seed=st.integers(0, 99),
)
def test_pieces_cover_everything(length, rate, max_seconds, seed):
    longest = int(max_seconds * rate)
    samples = np.random.default_rng(seed).normal(size=length)
    pieces = split_at_silence(samples.astype("float32"), rate, max_seconds)
    edges = [0] + [stop for _, stop in pieces]
    assert [start for start, _ in pieces] == edges[:-1]
    assert edges[-1] == length
    sizes = np.diff(edges)
    assert all(0 < size <= longest for size in sizes)
    if length > longest:
        assert min(sizes) >= longest // 4


def test_reading_stops_where_a_file_is_too_long(tmp_path):
    """A small file may hold hours: its samples are never all in memory."""
    path = write(tmp_path / "a.flac", np.zeros(100 * 8000), 8000)
    assert path.stat().st_size < 50_000
    assert len(read_audio(path, 8000, max_seconds=100)) == 100 * 8000
    with pytest.raises(AudioTooLong, match="longer than 99.5 seconds"):
        read_audio(path, 8000, max_seconds=99.5)
