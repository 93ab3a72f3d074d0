"""train/sphinx_features.py: cepstra as the definition says, folders to read."""

import numpy as np
import pytest
import soundfile

from keras_selfattn.data.feature_corpora import read_feature_manifest


@pytest.fixture
def script(load_script):
    return load_script("train/sphinx_features.py")


def test_cepstra_are_those_of_the_definition(script):
    samples = np.random.default_rng(0).normal(size=900) * 0.1
    found = script.cepstra(samples)
    assert found.shape == (4, 13) and found.dtype == np.float32
    # The second frame, from the definitions, sum by sum.
    first = 160
    frame = np.array(
        [
            (samples[first + n] - 0.97 * samples[first + n - 1])
            * (0.54 - 0.46 * np.cos(2 * np.pi * n / 409))
            for n in range(410)
        ]
    )
    turns = np.exp(-2j * np.pi * np.outer(np.arange(257), np.arange(410)) / 512)
    power = np.abs(turns @ frame) ** 2
    low, high = (2595 * np.log10(1 + f / 700) for f in (133.33334, 6855.4976))
    edges = [700 * (10 ** (m / 2595) - 1) for m in np.linspace(low, high, 42)]
    logarithms = []
    for left, middle, right in zip(edges, edges[1:], edges[2:]):
        energy = 0.0
        for k in range(257):
            hz = k * 31.25
            if left < hz <= middle:
                energy += power[k] * (hz - left) / (middle - left)
            elif middle < hz < right:
                energy += power[k] * (right - hz) / (right - middle)
        logarithms.append(np.log(energy))
    expected = [
        sum(
            value * np.cos(np.pi * i * (j + 0.5) / 40)
            for j, value in enumerate(logarithms)
        )
        / 40
        for i in range(13)
    ]
    np.testing.assert_allclose(found[1], expected, rtol=1e-4, atol=1e-5)
    assert script.cepstra(samples[:409]).shape == (0, 13)


def test_a_corpus_becomes_a_folder_of_features(script, tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    rows = ["path\tsplit\tspeaker\tduration_s\ttext"]
    generator = np.random.default_rng(1)
    for i, length in enumerate((8000, 300, 4000)):
        samples = generator.normal(size=length) * 0.1
        soundfile.write(corpus / f"{i}.wav", samples, 16000)
        rows.append(f"{i}.wav\ttrain\tann\t{length / 16000}\tword {i}")
    (corpus / "3.wav").write_bytes(b"no sound")
    rows.append("3.wav\ttrain\tann\t1.0\tword 3")
    (corpus / "manifest.tsv").write_text("\n".join(rows) + "\n", "utf-8")
    script.main([f"{corpus}:train"], tmp_path / "features")
    first, third = read_feature_manifest(tmp_path / "features", "train")
    assert (first.text, third.text) == ("word 0", "word 2")
    assert first.features.shape == (48, 13) and first.speaker == "ann"
    samples, _ = soundfile.read(corpus / "2.wav")
    np.testing.assert_allclose(
        third.features, script.cepstra(samples), rtol=2e-3, atol=2e-3
    )
