import numpy as np

from keras_selfattn.export.probes import probe_texts, probe_waveforms


def test_probe_waveforms_are_awkward_and_repeatable():
    waveforms = probe_waveforms(16000, 1600)
    assert [len(w) for w in waveforms] == [1600, 1601, 16000, 16001, 48123]
    for one, again in zip(waveforms, probe_waveforms(16000, 1600)):
        assert one.dtype == np.float32
        assert 0.01 < np.abs(one).max() < 1
        np.testing.assert_array_equal(one, again)


def test_probe_texts_have_every_length_and_no_padding():
    vocabulary = ["<padding>", "a", "b", "c"]
    texts = probe_texts(vocabulary, 20)
    assert sorted({len(text) for text in texts}) == [1, 2, 3, 7, 16, 17, 20]
    assert {token for text in texts for token in text} == {"a", "b", "c"}
    assert texts == probe_texts(vocabulary, 20)
    assert max(map(len, probe_texts(vocabulary, 9999))) == 512
    assert [len(text) for text in probe_texts(vocabulary, 1)] == [1, 1, 1]
