"""Stages of a speech encoder: subsampling, then blocks; whole or in chunks.

Shapes: `B` batch, `T` feature frames, `T'` encoder frames, `M` features,
`D` model dimension.
"""

from dataclasses import dataclass

import keras
from keras import ops

from keras_selfattn.layers.conformer_block import ConformerBlock
from keras_selfattn.layers.masks import chunk_mask


@dataclass(frozen=True)
class Stage:
    """The layers of one stage, and its frames to one of the encoder's."""

    subsampling: keras.layers.Layer
    positions: keras.layers.Layer | None
    blocks: list
    norm: keras.layers.Layer | None
    rate: int


def encode(stages, x, valid, chunk_frames, left_frames, training):
    """Runs the stages over `(B, T, M)` and a mask `(B, T)`."""
    for stage in stages:
        x, valid = stage.subsampling(x, valid)
        if stage.positions is not None:
            x = stage.positions(x)
        limits, inside = {}, {}
        if chunk_frames is not None:
            size = chunk_frames * stage.rate
            limits["attention_mask"] = chunk_mask(
                ops.shape(x)[1], size, left_frames * stage.rate
            )
            inside["chunk_size"] = size
        for block in stage.blocks:
            # Keras knows best whether it trains where nothing is said.
            known = {} if training is None else {"training": training}
            if isinstance(block, ConformerBlock):
                known |= inside
            x = block(x, padding_mask=valid, **limits, **known)
        if stage.norm is not None:
            x = stage.norm(x)
    return x, valid


def encode_chunk(stages, x, valid, state, left_frames):
    """Runs the stages over a chunk; see `ConformerEncoder.step`."""
    frames = state["frames"]
    following = {}
    for i, stage in enumerate(stages):
        name = f"stage_{i}"
        layer = stage.subsampling
        past = [
            state[f"{name}_subsampling_{j}"] for j in range(len(layer.strides))
        ]
        x, valid, past = layer.step(x, valid, past)
        for j, kept in enumerate(past):
            following[f"{name}_subsampling_{j}"] = kept
        seen = frames * stage.rate  # (1,)
        if stage.positions is not None:
            x = stage.positions(x, offset=seen[0])
        places = left_frames * stage.rate
        came = ops.arange(places, dtype="int32") >= places - seen
        came = ops.broadcast_to(
            ops.expand_dims(came, 0), (ops.shape(x)[0], places)
        )
        kinds = [
            kind
            for kind in ("key", "value", "convolution")
            if f"{name}_{kind}" in state
        ]
        kept = {kind: [] for kind in kinds}
        for j, block in enumerate(stage.blocks):
            past = {kind: state[f"{name}_{kind}"][:, j] for kind in kinds}
            x, past = block.step(x, valid, past, came)
            for kind in kinds:
                kept[kind].append(past[kind])
        for kind in kinds:
            following[f"{name}_{kind}"] = ops.stack(kept[kind], axis=1)
        if stage.norm is not None:
            x = stage.norm(x)
    following["frames"] = frames + x.shape[1]
    return x, valid, following


def state_shapes(stages, feature_dim, left_frames):
    """Names, shapes and dtypes of what `encode_chunk` hands on; one row."""
    shapes = {"frames": ((1,), "int32")}
    features = feature_dim
    for i, stage in enumerate(stages):
        dim, num_layers = stage.subsampling.filters, len(stage.blocks)
        for j, left in enumerate(stage.subsampling.left_frames):
            shapes[f"stage_{i}_subsampling_{j}"] = (
                (1, left, features),
                "float32",
            )
            features = dim
        pairs = (1, num_layers, left_frames * stage.rate, dim)
        shapes[f"stage_{i}_key"] = shapes[f"stage_{i}_value"] = pairs, "float32"
        if isinstance(stage.blocks[0], ConformerBlock):
            reach = stage.blocks[0].kernel_size // 2
            shape = (1, num_layers, reach, dim)
            shapes[f"stage_{i}_convolution"] = shape, "float32"
    return shapes
