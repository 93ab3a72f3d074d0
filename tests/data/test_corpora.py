"""Corpus layouts made small, read back, and broken one way at a time."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile

from keras_selfattn.data.corpora import (
    SpeechExample,
    read_common_voice,
    read_librispeech,
    read_manifest,
)
from keras_selfattn.preprocessing.audio import AudioError

HEADER = "path\tsplit\tspeaker\tduration_s\ttext\ttext_orig\n"


def write_sound(path, seconds=0.5, rate_hz=16000):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(int(seconds * rate_hz)), rate_hz)
    return path


@pytest.fixture
def manifest(tmp_path):
    for name in ("a/1.wav", "a/2.wav", "b/3.wav"):
        write_sound(tmp_path / name)
    (tmp_path / "manifest.tsv").write_text(
        HEADER
        + 'a/1.wav\ttrain\tann\t0.5\tsay "it\t"quoted"\n'
        + "a/2.wav\ttrain\tann\t1.5\tgo\t\n"
        + "b/3.wav\ttest\tbob\t0.25\tstop\t\n",
        encoding="utf8",
    )
    return tmp_path


def test_manifest_rows_become_examples(manifest):
    examples = read_manifest(manifest)
    assert examples[0] == SpeechExample(
        manifest / "a/1.wav", 'say "it', "ann", 0.5, "train"
    )
    assert [e.duration_s for e in examples] == [0.5, 1.5, 0.25]


def test_manifest_splits_are_chosen(manifest):
    assert [e.text for e in read_manifest(manifest, "test")] == ["stop"]
    assert len(read_manifest(manifest, ["test", "train"])) == 3
    with pytest.raises(ValueError, match=r"'dev'; it has 'train', 'test'"):
        read_manifest(manifest, "dev")


@pytest.mark.parametrize(
    "old, new, reason",
    [
        ("\ttext\t", "\twords\t", "no column text"),
        ("a/2.wav", "a/9.wav", "1 files that are missing.*9.wav"),
        ("\t1.5\t", "\tlong\t", "line 3.*'long'"),
        ("\t1.5\t", "\tnan\t", "line 3.*'nan'"),
        ("\tgo\t", "\tgo", "line 3: 5 columns, expected 6"),
    ],
)
def test_broken_manifests_are_refused(manifest, old, new, reason):
    path = manifest / "manifest.tsv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ValueError, match=reason):
        read_manifest(manifest)


def test_a_missing_or_empty_manifest_is_refused(tmp_path):
    with pytest.raises(ValueError, match="manifest.tsv is missing"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.tsv").touch()
    with pytest.raises(ValueError, match="no column path"):
        read_manifest(tmp_path)


@pytest.fixture
def librispeech(tmp_path):
    for split, speaker, chapter in (
        ("dev-clean", "84", "121123"),
        ("dev-clean", "9", "22"),
        ("train-clean-100", "19", "198"),
    ):
        folder = tmp_path / split / speaker / chapter
        lines = []
        for number in range(2):
            name = f"{speaker}-{chapter}-{number:04d}"
            write_sound(folder / f"{name}.flac", 0.25 * (number + 1))
            lines.append(f"{name} WORD NUMBER {number}\n")
        transcript = folder / f"{speaker}-{chapter}.trans.txt"
        transcript.write_text("".join(lines))
    (tmp_path / "SPEAKERS.TXT").write_text("; a list\n")
    return tmp_path


def test_librispeech_layout(librispeech):
    examples = read_librispeech(librispeech)
    assert len(examples) == 6
    first = librispeech / "dev-clean/84/121123/84-121123-0000.flac"
    assert examples[0] == SpeechExample(
        first, "WORD NUMBER 0", "84", 0.25, "dev-clean"
    )
    train = read_librispeech(librispeech, "train-clean-100")
    assert [e.speaker for e in train] == ["19", "19"]
    assert [e.duration_s for e in train] == [0.25, 0.5]


def test_broken_librispeech_is_refused(librispeech, tmp_path_factory):
    with pytest.raises(ValueError, match="'dev-clean', 'train-clean-100'"):
        read_librispeech(librispeech, "dev-other")
    with pytest.raises(ValueError, match="no LibriSpeech split"):
        read_librispeech(tmp_path_factory.mktemp("empty"))
    with pytest.raises(ValueError, match="not a folder"):
        read_librispeech(librispeech / "none")
    sound = librispeech / "dev-clean/9/22/9-22-0001.flac"
    sound.write_bytes(b"no flac")
    with pytest.raises(AudioError, match="9-22-0001.flac: not a sound"):
        read_librispeech(librispeech)
    sound.unlink()
    with pytest.raises(ValueError, match="9-22-0001.flac, which is missing"):
        read_librispeech(librispeech)
    transcript = librispeech / "dev-clean/84/121123/84-121123.trans.txt"
    transcript.write_text("84-121123-0000\n")
    with pytest.raises(ValueError, match="line 1.*a text"):
        read_librispeech(librispeech)


@pytest.fixture
def common_voice(tmp_path):
    header = "client_id\tpath\tsentence\tup_votes\n"
    for number in range(3):
        write_sound(tmp_path / f"clips/clip_{number}.mp3", 0.5)
    (tmp_path / "train.tsv").write_text(
        header
        + 'ab\tclip_0.mp3\t"Yes, I can!\t2\n'
        + "cd\tclip_1.mp3\tNo.\t2\n"
    )
    (tmp_path / "test.tsv").write_text(header + "ef\tclip_2.mp3\tHm\t2\n")
    (tmp_path / "validated.tsv").write_text(header + "ab\tclip_0.mp3\tYes\t2\n")
    (tmp_path / "reported.tsv").write_text("sentence\treason\n")
    (tmp_path / "clip_durations.tsv").write_text(
        "clip\tduration[ms]\nclip_0.mp3\t1250\n"
    )
    return tmp_path


def test_common_voice_layout(common_voice):
    examples = read_common_voice(common_voice)
    assert [e.split for e in examples] == ["test", "train", "train"]
    train = read_common_voice(common_voice, "train")
    assert train[0] == SpeechExample(
        common_voice / "clips/clip_0.mp3", '"Yes, I can!', "ab", 1.25, "train"
    )
    # The table of durations has no second clip: its own header is asked.
    assert train[1].duration_s == pytest.approx(0.5, abs=0.1)
    validated = read_common_voice(common_voice, "validated")
    assert [e.text for e in validated] == ["Yes"]


def test_broken_common_voice_is_refused(common_voice):
    with pytest.raises(ValueError, match="no split 'reported'; it has 'test'"):
        read_common_voice(common_voice, "reported")
    with pytest.raises(ValueError, match="no Common Voice table"):
        read_common_voice(common_voice / "clips")
    (common_voice / "clips/clip_1.mp3").unlink()
    with pytest.raises(ValueError, match="train.tsv, line 3.*missing"):
        read_common_voice(common_voice)


def test_reading_corpora_loads_no_keras():
    command = (
        "import sys, keras_selfattn.data.corpora, "
        "keras_selfattn.data.augmentation, keras_selfattn.data.batching; "
        "print('keras' in sys.modules)"
    )
    output = subprocess.run(
        [sys.executable, "-c", command],
        check=True,
        capture_output=True,
        text=True,
    )
    assert output.stdout.strip() == "False"


@pytest.mark.data
def test_the_recorded_corpora_are_read(data_folder):
    train = read_manifest(data_folder / "speech/fsdd", "train")
    assert len(train) == 2520
    assert {e.text for e in train} == set(
        "zero one two three four five six seven eight nine".split()
    )
