import numpy as np
import pytest

from keras_selfattn.layers import (
    MFCC,
    JoinedFeatures,
    LogMelSpectrogram,
    SpectralEntropy,
    ZeroCrossingRate,
)
from keras_selfattn.models import ConformerEncoder
from keras_selfattn.tasks import SpeechRecognizer
from tests.arrays import to_numpy, waveform
from tests.litert import needs_tensorflow, run_converted
from tests.round_trip import assert_round_trip

pytestmark = pytest.mark.backend

SCALES = [0.1, 4.0, 2.0]


def joined():
    parts = [MFCC(delta_order=1), ZeroCrossingRate(), SpectralEntropy()]
    return JoinedFeatures(parts, SCALES, name="joined")


def test_parts_stand_side_by_side_times_their_scales(tmp_path):
    layer = joined()
    samples = np.stack([waveform(1600, 0, noise=0.05)] * 2)
    num_samples = np.array([1600, 800], "int32")
    features, mask = map(to_numpy, layer(samples, num_samples))
    wanted = [
        scale * to_numpy(part(samples, num_samples)[0])
        for part, scale in zip(layer.parts, SCALES)
    ]
    np.testing.assert_allclose(
        features, np.concatenate(wanted, axis=-1), rtol=1e-6, atol=1e-6
    )
    assert features.shape == (2, 10, layer.feature_dim) == (2, 10, 28)
    np.testing.assert_array_equal(mask.sum(axis=1), [10, 5])
    assert not features[1, 5:].any()
    assert_round_trip(layer, tmp_path, samples=samples)


def test_a_recogniser_hears_by_them_and_comes_back_from_its_config():
    stage = {"hidden_dim": 8, "num_layers": 0}
    recognizer = SpeechRecognizer(joined(), ConformerEncoder(28, [stage]))
    again = SpeechRecognizer(**recognizer.task_config())
    again.set_weights(recognizer.get_weights())
    samples = waveform(1600, 0, noise=0.05)
    first, second = (
        r.frame_log_probabilities([samples])[0] for r in (recognizer, again)
    )
    np.testing.assert_allclose(first, second, atol=1e-5)
    assert again.frontend.scales == SCALES
    with pytest.raises(ValueError, match="28 features"):
        SpeechRecognizer(joined(), ConformerEncoder(80, [stage]))
    streaming = ConformerEncoder(28, [stage], streaming={})
    with pytest.raises(ValueError, match="use a LogMelSpectrogram"):
        SpeechRecognizer(joined(), streaming)


def test_parts_that_do_not_fit_are_refused():
    for arguments, reason in (
        (([],), "at least one"),
        (([MFCC(), ZeroCrossingRate(400, 80)],), "one hop for all"),
        (([LogMelSpectrogram()], [1.0, 2.0]), "one for each"),
    ):
        with pytest.raises(ValueError, match=reason):
            JoinedFeatures(*arguments)


@needs_tensorflow
def test_converts_to_built_in_operations():
    layer = joined()
    samples = waveform(1600, 0, noise=0.05)[None]
    num_samples = np.array([1500], "int32")
    found = run_converted(
        lambda samples, num_samples: layer(samples, num_samples)[0],
        samples=samples,
        num_samples=num_samples,
    )
    expected, _ = layer(samples, num_samples)
    np.testing.assert_allclose(found, to_numpy(expected), atol=5e-3)
