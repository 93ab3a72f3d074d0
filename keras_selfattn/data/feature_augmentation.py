"""Augmentation of feature frames: speed, and the length of the vocal tract.

Numpy only; randomness comes from the `numpy.random.Generator` passed in.
(SpecAugment is a layer.)

Shape letters: `T` frames, `C` features of a frame.
"""

import numpy as np

from keras_selfattn.data.augmentation import speed_length


def change_feature_speed(features, factor):
    """Frames played `factor` times as fast, by linear interpolation.

    Only the tempo changes; see `warp_cepstra` for what a change of a sound's
    speed does to its spectrum.

    Args:
        features: float array `(T, C)`.
        factor: float, 0.5 to 2.0; 1.1 is shorter.

    Returns:
        float32 array `(max(1, round(T / factor)), C)`.
    """
    if not 0.5 <= factor <= 2.0:
        raise ValueError(
            f"factor={factor}; expected a speed between 0.5 and 2.0."
        )
    features = np.asarray(features, "float32")
    if factor == 1.0:
        return features
    length = speed_length(len(features), factor)
    # A frame stands for its middle, so that both ends stay where they are.
    places = (np.arange(length) + 0.5) * (len(features) / length) - 0.5
    places = np.clip(places, 0, len(features) - 1)
    before = places.astype("int64")
    after = np.minimum(before + 1, len(features) - 1)
    share = (places - before).astype("float32")[:, None]
    return (1 - share) * features[before] + share * features[after]


def cepstral_warp(num_cepstra, factor, num_points=512):
    """Matrix that stretches the mel axis of cepstra, float64 `(C, C)`.

    `cepstra @ matrix` are the cepstra of the spectrum whose mel axis, as a
    number in [0, 1], is bent by `w -> w + (factor - 1) sin(pi w) / pi`: a
    factor of 1.1 moves formants by at most 3 % of the axis, and its ends stay.

    Reference: vocal tract length perturbation: Jaitly and Hinton 2013 (ICML
    workshop on deep learning for audio); as a matrix on cepstra: Pitz and Ney
    2005 (IEEE TSAP 13-5), section II.

    Args:
        num_cepstra: int, `C`, DCT-II coefficients, the 0th first.
        factor: float, 0.5 to 1.5.
        num_points: int, of the integral.
    """
    if not 0.5 <= factor <= 1.5:
        raise ValueError(f"factor={factor}; expected 0.5 to 1.5.")
    w = (np.arange(num_points) + 0.5) / num_points
    bent = w + (factor - 1) * np.sin(np.pi * w) / np.pi
    order = np.arange(num_cepstra)[:, None]
    scale = np.where(order == 0, 1.0, 2.0) / num_points
    return np.cos(np.pi * order * bent) @ (scale * np.cos(np.pi * order * w)).T


class FeatureAugmenter:
    """Random speed and, for cepstra, random length of the vocal tract.

    Args:
        speeds: sequence of float. One is drawn per utterance. Defaults to
            (0.9, 1.0, 1.1).
        warp: float in [0, 0.5). Cepstra are warped by a factor drawn from
            `1 - warp .. 1 + warp`, of 21 steps. Defaults to 0: features that
            are no cepstra must not be.
        num_cepstra: int, the first so many features are cepstra.
    """

    def __init__(self, speeds=(0.9, 1.0, 1.1), warp=0.0, num_cepstra=13):
        if not speeds or not all(0.5 <= speed <= 2.0 for speed in speeds):
            raise ValueError(
                f"speeds={speeds}; expected one or more of 0.5 to 2.0."
            )
        if not 0.0 <= warp < 0.5:
            raise ValueError(f"warp={warp}; expected 0 to 0.5.")
        self.speeds = tuple(float(speed) for speed in speeds)
        self.num_cepstra = num_cepstra
        self._warps = []
        if warp:
            self._warps = [
                cepstral_warp(num_cepstra, factor).astype("float32")
                for factor in np.linspace(1 - warp, 1 + warp, 21)
            ]

    def draw_speeds(self, num_utterances, generator):
        """float64 array `(num_utterances,)` of speed factors."""
        return generator.choice(self.speeds, size=num_utterances)

    def __call__(self, features, generator):
        """Warps (not the speed) features `(T, C)`; float32."""
        features = np.asarray(features, "float32")
        if not self._warps:
            return features
        warp = self._warps[int(generator.integers(len(self._warps)))]
        kept = features[:, self.num_cepstra :]
        bent = features[:, : self.num_cepstra] @ warp
        return np.concatenate([bent, kept], axis=1)
