"""Speech encoder: subsampling, then Conformer or Transformer blocks.

Shapes: `B` batch, `T` feature frames, `T'` encoder frames, `M` features,
`D` model dimension.
"""

import keras

from keras_selfattn.layers.conformer_block import ConformerBlock
from keras_selfattn.layers.convolutional_subsampling import (
    ConvolutionalSubsampling,
)
from keras_selfattn.layers.encoder_block import EncoderBlock
from keras_selfattn.layers.positions import SinusoidalPositions

STAGE = {
    "strides": [2, 2],
    "hidden_dim": 144,
    "num_layers": 8,
    "num_heads": 4,
    "intermediate_dim": 576,
    "block": "conformer",
    "positions": "rotary",
    "kernel_size": 31,
    "dropout": 0.1,
}


def complete_stage(stage):
    """A stage's sizes with the defaults filled in; unknown names refused."""
    unknown = sorted(set(stage) - set(STAGE))
    if unknown:
        raise ValueError(
            f"A stage has unknown entries {unknown}; known: {sorted(STAGE)}."
        )
    stage = {**STAGE, **stage}
    if stage["block"] not in ("conformer", "transformer"):
        raise ValueError(
            f"block={stage['block']!r} is unknown; use 'conformer' or "
            "'transformer'."
        )
    return stage


@keras.saving.register_keras_serializable(package="keras_selfattn")
class ConformerEncoder(keras.Model):
    """Features in, a shorter sequence of contextual vectors out.

    The encoder is a row of stages. A stage shortens time by its strides and
    sets its own width, then runs `num_layers` blocks: Conformer blocks, or
    plain pre-norm Transformer blocks closed by a layer norm. One stage with
    strides (2, 2) is the Conformer of the paper (but one-dimensional
    subsampling); a Transformer stage with strides (1, 2), GELU and
    sinusoidal positions is Whisper's encoder, so that its weights fit.

    Reference: Gulati et al. 2020 (arXiv:2005.08100), section 2; Radford et
    al. 2022 (arXiv:2212.04356), section 2.2.

    Args:
        feature_dim: int, features a frame (mel bins).
        stages: list of dict, first to last; entries and defaults: strides
            [2, 2], hidden_dim 144, num_layers 8, num_heads 4,
            intermediate_dim 576, block "conformer" | "transformer",
            positions "rotary" | "relative" | "sinusoidal" | None,
            kernel_size 31 (Conformer only), dropout 0.1.
        seed: int, seed of the dropouts.

    Call arguments:
        inputs: dict of "features", float32 `(B, T, M)`, and "padding_mask",
            bool `(B, T)`, True = real.

    Returns:
        dict of "hidden", float `(B, T', D)`, and "padding_mask", bool
        `(B, T')`.

    Raises:
        ValueError: for no stage, unknown entries of a stage, or as the
            layers do.

    Example:
        >>> encoder = ConformerEncoder(80, [{"num_layers": 2}])
        >>> out = encoder(
        ...     {
        ...         "features": np.zeros((1, 100, 80)),
        ...         "padding_mask": np.ones((1, 100), bool),
        ...     }
        ... )
        >>> out["hidden"].shape
        (1, 25, 144)
    """

    def __init__(self, feature_dim=80, stages=({},), seed=0, **kwargs):
        # Layers
        if not stages:
            raise ValueError("stages is empty; give at least one (a dict).")
        stages = [complete_stage(stage) for stage in stages]
        dtype = {"dtype": kwargs.pop("dtype", None)}
        subsamplings, positions, blocks, norms = [], [], [], []
        for i, stage in enumerate(stages):
            subsamplings.append(
                ConvolutionalSubsampling(
                    stage["hidden_dim"],
                    stage["strides"],
                    name=f"stage_{i}_subsampling",
                    **dtype,
                )
            )
            sinusoidal = stage["positions"] == "sinusoidal"
            positions.append(
                SinusoidalPositions(name=f"stage_{i}_positions", **dtype)
                if sinusoidal
                else None
            )
            common = {
                "num_heads": stage["num_heads"],
                "intermediate_dim": stage["intermediate_dim"],
                "positions": None if sinusoidal else stage["positions"],
                "dropout": stage["dropout"],
            }
            conformer = stage["block"] == "conformer"
            if conformer:
                common["kernel_size"] = stage["kernel_size"]
            blocks.append(
                [
                    (ConformerBlock if conformer else EncoderBlock)(
                        **common,
                        seed=seed + 1000 * i + 10 * j,
                        name=f"stage_{i}_block_{j}",
                        **dtype,
                    )
                    for j in range(stage["num_layers"])
                ]
            )
            norms.append(
                None
                if conformer
                else keras.layers.LayerNormalization(
                    epsilon=1e-5, name=f"stage_{i}_norm", **dtype
                )
            )

        # Functional model
        features = keras.Input((None, feature_dim), name="features")
        mask = keras.Input((None,), dtype="bool", name="padding_mask")
        x, valid = features, mask
        for i in range(len(stages)):
            x, valid = subsamplings[i](x, valid)
            if positions[i] is not None:
                x = positions[i](x)
            for block in blocks[i]:
                x = block(x, padding_mask=valid)
            if norms[i] is not None:
                x = norms[i](x)
        super().__init__(
            inputs={"features": features, "padding_mask": mask},
            outputs={"hidden": x, "padding_mask": valid},
            **kwargs,
        )

        # Config
        self.feature_dim = feature_dim
        self.stages = stages
        self.seed = seed
        self._subsamplings = subsamplings

    @property
    def stride(self):
        """Feature frames to one encoder frame."""
        product = 1
        for layer in self._subsamplings:
            for stride in layer.strides:
                product *= stride
        return product

    @property
    def hidden_dim(self):
        return self.stages[-1]["hidden_dim"]

    def output_length(self, num_frames):
        """Encoder frames for `num_frames` feature frames (int or array)."""
        for layer in self._subsamplings:
            num_frames = layer.output_length(num_frames)
        return num_frames

    def get_config(self):
        return {
            "name": self.name,
            "feature_dim": self.feature_dim,
            "stages": self.stages,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)
