"""Speech encoder: subsampling, then Conformer or Transformer blocks.

Shapes: `B` batch, `T` feature frames, `T'` encoder frames, `M` features,
`D` model dimension.
"""

import math

import keras
from keras import ops

from keras_selfattn.layers.chunk_sizes import FULL_CONTEXT, draw_chunk_size
from keras_selfattn.layers.conformer_block import ConformerBlock
from keras_selfattn.layers.convolutional_subsampling import (
    ConvolutionalSubsampling,
)
from keras_selfattn.layers.encoder_block import EncoderBlock
from keras_selfattn.layers.encoder_stages import (
    Stage,
    encode,
    encode_chunk,
    state_shapes,
)
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
STREAMING = {
    "chunk_frames": [4, 8, 16],
    "left_frames": 64,
    "full_context_rate": 0.5,
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


def complete_streaming(streaming):
    """What streams as a dict with the defaults filled in, checked."""
    unknown = sorted(set(streaming) - set(STREAMING))
    if unknown:
        raise ValueError(
            f"streaming has unknown entries {unknown}; known: "
            f"{sorted(STREAMING)}."
        )
    streaming = {**STREAMING, **streaming}
    sizes = streaming["chunk_frames"]
    sizes = [sizes] if isinstance(sizes, int) else list(sizes)
    for number in [*sizes, streaming["left_frames"]]:
        if type(number) is not int or not 1 <= number < FULL_CONTEXT:
            raise ValueError(
                f"streaming={streaming} holds {number!r}; expected "
                "chunk_frames and left_frames to be ints >= 1."
            )
    if not sizes or not 0 <= streaming["full_context_rate"] <= 1:
        raise ValueError(
            f"streaming={streaming}: expected at least one of chunk_frames "
            "and a full_context_rate in [0, 1]."
        )
    return {**streaming, "chunk_frames": sizes}


@keras.saving.register_keras_serializable(package="keras_selfattn")
class ConformerEncoder(keras.Model):
    """Features in, a shorter sequence of contextual vectors out.

    The encoder is a row of stages. A stage shortens time by its strides and
    sets its own width, then runs `num_layers` blocks: Conformer blocks, or
    plain pre-norm Transformer blocks closed by a layer norm. One stage with
    strides (2, 2) is the Conformer of the paper (but one-dimensional
    subsampling); a Transformer stage with strides (1, 2), GELU and
    sinusoidal positions is Whisper's encoder, so that its weights fit.

    With `streaming`, the same weights serve recordings and streams. Cut into
    chunks of `chunk_frames` encoder frames, a frame depends on its chunk, on
    `left_frames` frames before the chunk at each attention layer, on half a
    kernel before the frame at each convolution, and on nothing behind the
    chunk: the subsampling looks to the left only, the attention is masked,
    the convolutions count what is behind the chunk as zero. Each training
    step draws the size of its chunks, or full context, from the `seed`;
    otherwise the attribute `chunk_frames` says it (None, as at first: full
    context; a compiled function keeps what it was traced with).

    Reference: Gulati et al. 2020 (arXiv:2005.08100), section 2; Radford et
    al. 2022 (arXiv:2212.04356), section 2.2; chunks of changing size: Zhang
    et al. 2020 (arXiv:2012.05481), section 2.2.

    Args:
        feature_dim: int, features a frame (mel bins).
        stages: list of dict, first to last; entries and defaults: strides
            [2, 2], hidden_dim 144, num_layers 8, num_heads 4,
            intermediate_dim 576, block "conformer" | "transformer",
            positions "rotary" | "relative" | "sinusoidal" | None,
            kernel_size 31 (Conformer only), dropout 0.1.
        seed: int, seed of the dropouts and the chunk sizes.
        streaming: None, or dict; entries and defaults: chunk_frames [4, 8,
            16] (the sizes that training draws from), left_frames 64,
            full_context_rate 0.5 (share of steps with full context).

    Call arguments:
        inputs: dict of "features", float32 `(B, T, M)`, and "padding_mask",
            bool `(B, T)`, True = real.

    Returns:
        dict of "hidden", float `(B, T', D)`, and "padding_mask", bool
        `(B, T')`.

    Raises:
        ValueError: for no stage, unknown entries of a stage or of
            `streaming`, or as the layers do.

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

    def __init__(
        self, feature_dim=80, stages=({},), seed=0, streaming=None, **kwargs
    ):
        # Layers
        if not stages:
            raise ValueError("stages is empty; give at least one (a dict).")
        stages = [complete_stage(stage) for stage in stages]
        if streaming is not None:
            streaming = complete_streaming(streaming)
            for stage in stages:
                if stage["block"] == "conformer" and stage["kernel_size"] < 3:
                    raise ValueError(
                        f"kernel_size={stage['kernel_size']} hands nothing "
                        "from chunk to chunk; streaming needs at least 3."
                    )
        dtype = {"dtype": kwargs.pop("dtype", None)}
        parts = []
        for i, stage in enumerate(stages):
            sinusoidal = stage["positions"] == "sinusoidal"
            common = {
                "num_heads": stage["num_heads"],
                "intermediate_dim": stage["intermediate_dim"],
                "positions": None if sinusoidal else stage["positions"],
                "dropout": stage["dropout"],
            }
            conformer = stage["block"] == "conformer"
            if conformer:
                common["kernel_size"] = stage["kernel_size"]
            part = Stage(
                ConvolutionalSubsampling(
                    stage["hidden_dim"],
                    stage["strides"],
                    padding="same" if streaming is None else "causal",
                    name=f"stage_{i}_subsampling",
                    **dtype,
                ),
                SinusoidalPositions(name=f"stage_{i}_positions", **dtype)
                if sinusoidal
                else None,
                [
                    (ConformerBlock if conformer else EncoderBlock)(
                        **common,
                        seed=seed + 1000 * i + 10 * j,
                        name=f"stage_{i}_block_{j}",
                        **dtype,
                    )
                    for j in range(stage["num_layers"])
                ],
                None
                if conformer
                else keras.layers.LayerNormalization(
                    epsilon=1e-5, name=f"stage_{i}_norm", **dtype
                ),
                math.prod(
                    s for later in stages[i + 1 :] for s in later["strides"]
                ),
            )
            parts.append(part)

        # Functional model
        features = keras.Input((None, feature_dim), name="features")
        mask = keras.Input((None,), dtype="bool", name="padding_mask")
        x, valid = encode(parts, features, mask, None, None, None)
        super().__init__(
            inputs={"features": features, "padding_mask": mask},
            outputs={"hidden": x, "padding_mask": valid},
            **kwargs,
        )

        # Config
        self.feature_dim = feature_dim
        self.stages = stages
        self.seed = seed
        self.streaming = streaming
        self._parts = parts
        self._chunk_frames = None
        if streaming is not None:
            self.seed_generator = keras.random.SeedGenerator(seed)

    @property
    def chunk_frames(self):
        """Encoder frames of a chunk outside training; None: full context."""
        return self._chunk_frames

    @chunk_frames.setter
    def chunk_frames(self, chunk_frames):
        if chunk_frames is not None:
            self.check_chunk_frames(chunk_frames)
        self._chunk_frames = chunk_frames

    def check_chunk_frames(self, chunk_frames):
        """Raises a ValueError where chunks of this size cannot be had."""
        if self.streaming is None:
            raise ValueError(
                f"chunk_frames={chunk_frames!r}: this encoder was made "
                "without streaming, so its subsampling looks ahead; give "
                "streaming={...}, or leave chunk_frames None."
            )
        complete_streaming({"chunk_frames": [chunk_frames]})

    def call(self, inputs, training=None, mask=None):
        chunk_frames = self._chunk_frames
        if training and self.streaming is not None:
            chunk_frames = draw_chunk_size(
                self.streaming["chunk_frames"],
                self.streaming["full_context_rate"],
                self.seed_generator,
            )
        if chunk_frames is None:
            return super().call(inputs, training=training, mask=mask)
        hidden, valid = encode(
            self._parts,
            inputs["features"],
            inputs["padding_mask"],
            chunk_frames,
            self.streaming["left_frames"],
            training,
        )
        return {"hidden": hidden, "padding_mask": valid}

    def state_shapes(self):
        """What `step` hands on: dict of name to (shape, dtype), for one row.

        "frames", int32 `(1,)`, counts the encoder frames so far, the same for
        all rows. All else is float32, its first axis the batch: before each
        convolution of stage i, "stage_i_subsampling_j"; of its blocks, on
        axis 1, "stage_i_key" and "stage_i_value", and "stage_i_convolution"
        where they are Conformer blocks. A stream begins with zeros.
        """
        if self.streaming is None:
            raise ValueError(
                "This encoder was made without streaming; give "
                "streaming={'chunk_frames': [16]}, say."
            )
        return state_shapes(
            self._parts, self.feature_dim, self.streaming["left_frames"]
        )

    def step(self, features, padding_mask, state):
        """The frames of one chunk that has just come.

        They are those of the whole sequence where `chunk_frames` is the size
        of the chunks: the state holds all that a chunk sees of the past.

        Args:
            features: float `(B, T, M)`, T known and a multiple of `stride`.
            padding_mask: bool `(B, T)`, False only at the end of the last.
            state: dict of tensors; see `state_shapes`.

        Returns:
            float `(B, T', D)`, bool `(B, T')` and the next chunk's state.
        """
        state = {
            name: ops.convert_to_tensor(value) for name, value in state.items()
        }
        return encode_chunk(
            self._parts,
            ops.convert_to_tensor(features),
            ops.convert_to_tensor(padding_mask),
            state,
            self.streaming["left_frames"],
        )

    @property
    def stride(self):
        """Feature frames to one encoder frame."""
        return math.prod(s for stage in self.stages for s in stage["strides"])

    @property
    def hidden_dim(self):
        return self.stages[-1]["hidden_dim"]

    def output_length(self, num_frames):
        """Encoder frames for `num_frames` feature frames (int or array)."""
        for part in self._parts:
            num_frames = part.subsampling.output_length(num_frames)
        return num_frames

    def get_config(self):
        config = {
            "name": self.name,
            "feature_dim": self.feature_dim,
            "stages": self.stages,
            "seed": self.seed,
        }
        # Presets made before there was a choice say nothing of it.
        if self.streaming is not None:
            config["streaming"] = self.streaming
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)
