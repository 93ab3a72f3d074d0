"""Whisper as CTranslate2 (faster-whisper) keeps it: a WhisperRecognizer."""

import numpy as np

from keras_selfattn.convert.ctranslate2 import read_ctranslate2
from keras_selfattn.convert.whisper_checkpoint import (
    default_room,
    fill_whisper,
    is_multilingual,
    whisper_rows,
)
from keras_selfattn.convert.whisper_tables import CT2_OPTIONS, CT2_TABLES
from keras_selfattn.convert.whisper_tokenizer import read_whisper_tokenizer

HEAD, TABLE = "decoder/projection/weight", "decoder/embeddings/weight"


def load_whisper_ctranslate2(folder, config):
    """A WhisperRecognizer with the weights of a CTranslate2 folder.

    Args:
        folder: `pathlib.Path` with `model.bin` (of floats; int8 is refused)
            and the tokenizer's files.
        config: dict, its config.json.

    Raises:
        ValueError: no Whisper model or an option that we have not, tensors
            that are missing, left over or of another shape, a damaged file.
    """
    from keras_selfattn.models.whisper import Whisper
    from keras_selfattn.tasks.whisper_recognizer import WhisperRecognizer

    variables = read_ctranslate2(folder)
    options = {
        name: variables.pop(name) for name in CT2_OPTIONS if name in variables
    }
    for name, value in options.items():
        wanted = CT2_OPTIONS[name]
        if wanted is not None and int(value) not in wanted:
            raise ValueError(
                f"{folder} has {name}={int(value)}; we have {wanted[0]} only."
            )
    sizes = _sizes(folder, variables, options)
    head = variables.get(HEAD)
    tied = head is None or np.array_equal(head, variables[TABLE])
    if tied:
        variables.pop(HEAD, None)
    whisper = Whisper(**sizes, tie_embeddings=tied, name="whisper")
    tokenizer = read_whisper_tokenizer(
        folder, whisper.vocabulary_size, whisper.max_sequence_length
    )
    task = WhisperRecognizer(
        tokenizer,
        whisper,
        None,
        config.get("suppress_ids", ()),
        config.get("suppress_ids_begin", ()),
        max_new_tokens=default_room(whisper),
        multilingual=is_multilingual(tokenizer.vocabulary),
    )
    rows = whisper_rows(CT2_TABLES, whisper)
    fill_whisper(task, rows, variables, (), folder)
    return task


def _sizes(folder, variables, options):
    """Arguments of Whisper, from the shapes of its arrays."""
    try:
        hidden, features, _ = variables["encoder/conv1/weight"].shape
        sides = "encoder", "decoder"
        return {
            "vocabulary_size": len(variables[TABLE]),
            "hidden_dim": hidden,
            "num_layers": [
                sum(
                    name.startswith(f"{side}/layer_")
                    and name.endswith("/ffn/linear_0/weight")
                    for name in variables
                )
                for side in sides
            ],
            "num_heads": [int(options[f"{s}/num_heads"]) for s in sides],
            "intermediate_dim": [
                len(variables[f"{s}/layer_0/ffn/linear_0/weight"])
                for s in sides
            ],
            "num_mel_bins": features,
            "max_frames": len(
                variables["encoder/position_encodings/encodings"]
            ),
            "max_sequence_length": len(
                variables["decoder/position_encodings/encodings"]
            ),
        }
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"{folder} is no Whisper model of CTranslate2: {error!r}."
        ) from None
