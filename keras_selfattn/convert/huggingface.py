"""Checkpoints of `transformers` as tasks, and tasks as such checkpoints."""

import json
from pathlib import Path

from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.convert.architectures import (
    ACTIVATIONS,
    ARCHITECTURES,
    BERT,
    DISTILBERT,
    ROBERTA,
)
from keras_selfattn.convert.hf_tokenizer import (
    read_json,
    read_tokenizer,
    tokenizer_files,
)
from keras_selfattn.convert.hub import PREFIX, hub_folder
from keras_selfattn.convert.safetensors_files import SINGLE, read_tensors
from keras_selfattn.convert.tensor_table import give, rows_of, take

CONFIG = "config.json"
POOLER = "pooler.dense.weight"


def load_hf(source):
    """A task with the weights of a BERT, RoBERTa or DistilBERT checkpoint.

    Args:
        source: str `hf://owner/name[@revision]`, or the path of a folder with
            `config.json`, `model.safetensors` (or its shards) and the
            tokenizer's files.

    Returns:
        MaskedLM; without a head where the checkpoint has none.

    Raises:
        ValueError: an architecture or option that we have not, tensors that
            are missing, left over or of another shape, a vocabulary of
            another size, files that are missing or damaged, no network.
        ImportError: `hf://` without the package huggingface_hub.

    Example:
        >>> task = load_hf("hf://sentence-transformers/all-MiniLM-L6-v2")
        >>> task.embed("A sentence.").shape
        (384,)
    """
    from keras_selfattn.models.bert import BertEncoder
    from keras_selfattn.tasks.masked_lm import MaskedLM

    named = isinstance(source, str) and source.startswith(PREFIX)
    folder = hub_folder(source) if named else Path(source)
    config = read_json(folder / CONFIG)
    architecture = _architecture(folder, config)
    tensors = _renamed(read_tensors(folder), architecture)
    tied = config.get("tie_word_embeddings", True)
    _drop_copies(folder, tensors, architecture, tied)
    head = any(row.theirs in tensors for row in architecture.head)
    sizes = _sizes(folder, config, architecture)
    encoder = BertEncoder(
        **sizes,
        pooler=POOLER in tensors,
        tie_embeddings=tied or not head,
        name="encoder",
    )
    tokenizer = read_tokenizer(folder, architecture.tokenizer, encoder.room)
    if tokenizer.vocabulary_size != encoder.vocabulary_size:
        raise ValueError(
            f"The tokenizer in {folder} has {tokenizer.vocabulary_size} "
            f"tokens, {CONFIG} says vocab_size={encoder.vocabulary_size}; "
            "take both from one model. (Where the model has more than the "
            "tokenizer, fill the vocabulary up with names such as [unused1].)"
        )
    task = MaskedLM(tokenizer, encoder, head, _pooling(folder))
    arrays = take(
        rows_of(architecture.encoder + architecture.head, encoder.num_layers),
        tensors,
        {variable.path: variable.shape for variable in task.weights},
        architecture.ignored,
        folder,
    )
    for variable in task.weights:
        variable.assign(arrays[variable.path])
    return task


def save_hf(task, folder):
    """Writes a task as a checkpoint that `transformers` loads.

    `config.json`, `model.safetensors` (float32) and the tokenizer's files;
    what is loaded from them is what was written, bit for bit.

    Args:
        task: MaskedLM with a BertEncoder.
        folder: path, made where it is missing.

    Returns:
        `pathlib.Path` of the folder.

    Raises:
        ValueError: a task or sizes that no architecture of theirs has.
    """
    from keras import ops
    from safetensors.numpy import save

    from keras_selfattn.models.bert import BertEncoder
    from keras_selfattn.tasks.masked_lm import MaskedLM

    encoder = getattr(task, "encoder", None)
    if not isinstance(task, MaskedLM) or not isinstance(encoder, BertEncoder):
        raise ValueError(
            "save_hf writes a MaskedLM with a BertEncoder; received a "
            f"{type(task).__name__} with a {type(encoder).__name__}."
        )
    folder = Path(folder)
    architecture = _own_architecture(encoder)
    config = _config(task, architecture)
    arrays = {v.path: ops.convert_to_numpy(v.value) for v in task.weights}
    of_head = {part for row in architecture.head for part in row.parts}
    tensors = give(
        rows_of(architecture.encoder, encoder.num_layers),
        {path: a for path, a in arrays.items() if path not in of_head},
    )
    if task.head:
        tensors = {architecture.prefix + n: a for n, a in tensors.items()}
        tensors |= give(
            architecture.head,
            {path: a for path, a in arrays.items() if path in of_head},
        )
        if not encoder.tie_embeddings:
            for copy, source in architecture.copies:
                if copy not in tensors:
                    tensors[copy] = tensors[source]
    files = {
        SINGLE: save(tensors, metadata={"format": "pt"}),
        CONFIG: json.dumps(config, indent=2) + "\n",
        **tokenizer_files(task.tokenizer),
    }
    for name, content in files.items():
        write_atomically(folder / name, content)
    return folder


def _architecture(folder, config):
    """The table of a config.json; what we cannot do is refused."""
    kind = config.get("model_type")
    if kind not in ARCHITECTURES:
        raise ValueError(
            f"{folder / CONFIG} has model_type={kind!r}; there are tables for "
            f"{', '.join(sorted(ARCHITECTURES))}."
        )
    found = ARCHITECTURES[kind]
    known = (found.model, found.headed, *found.also)
    for name in config.get("architectures") or ():
        if name not in known:
            raise ValueError(
                f"{folder / CONFIG} names the architecture {name}; of "
                f"{kind!r} we read {', '.join(known)}. To go on with its "
                "encoder alone, save that: model.base_model.save_pretrained."
            )
    for key, values in found.demanded.items():
        if key in config and config[key] not in values:
            raise ValueError(
                f"{folder / CONFIG} has {key}={config[key]!r}; we have "
                f"{' or '.join(map(repr, values))} only."
            )
    return found


def _renamed(tensors, architecture):
    """Names without the prefix, and of norms as they are called today."""
    found = {}
    for name, array in tensors.items():
        name = name.removeprefix(architecture.prefix)
        for old, new in (("gamma", "weight"), ("beta", "bias")):
            if name.endswith(f"LayerNorm.{old}"):
                name = name.removesuffix(old) + new
        found[name] = array
    return found


def _drop_copies(folder, tensors, architecture, tied):
    """Leaves of two names of one tensor the one that the table has."""
    named = {row.theirs for row in architecture.head}
    for copy, source in architecture.copies:
        if copy not in tensors or (not tied and copy in named):
            continue
        array = tensors.pop(copy)
        if tied and source in tensors and not _equal(array, tensors[source]):
            raise ValueError(
                f"{folder}: {copy} is not {source}, though {CONFIG} says "
                "that they are tied; write tie_word_embeddings: false there "
                "if they are two."
            )
        tensors[source] = array


def _equal(one, other):
    return one.shape == other.shape and (one == other).all()


def _sizes(folder, config, architecture):
    sizes = dict(architecture.fixed)
    for ours, theirs, default in architecture.sizes:
        sizes[ours] = config.get(theirs, default)
    if sizes["activation"] not in ACTIVATIONS:
        raise ValueError(
            f"{folder / CONFIG} has the activation {sizes['activation']!r}; "
            f"we have {', '.join(sorted(ACTIVATIONS))}."
        )
    sizes["activation"] = ACTIVATIONS[sizes["activation"]]
    if architecture.positions_after_padding:
        padding = config.get("pad_token_id", architecture.padding_id)
        sizes["first_position"] = padding + 1
    return sizes


def _pooling(folder):
    """What `embed` does, as sentence-transformers wrote it down."""
    path = folder / "1_Pooling" / CONFIG
    if not path.is_file():
        return "mean"
    modes = {
        name.removeprefix("pooling_mode_")
        for name, value in read_json(path).items()
        if name.startswith("pooling_mode_") and value
    }
    known = {"mean_tokens": "mean", "cls_token": "start"}
    if len(modes) != 1 or not modes <= set(known):
        raise ValueError(
            f"{path} pools by {', '.join(sorted(modes)) or 'nothing'}; we "
            f"have one of {', '.join(sorted(known))}. Take the file away to "
            "pool by the mean."
        )
    return known[modes.pop()]


def _own_architecture(encoder):
    """The family whose options an encoder has."""
    if encoder.first_position:
        return ROBERTA
    return BERT if encoder.num_segments else DISTILBERT


def _config(task, architecture):
    """A config.json; sizes that the architecture has not are refused."""
    encoder, tokenizer = task.encoder, task.tokenizer
    config = {
        "architectures": [
            architecture.headed if task.head else architecture.model
        ],
        "model_type": architecture.model_type,
        **{
            theirs: getattr(encoder, ours)
            for ours, theirs, _ in architecture.sizes
        },
        "pad_token_id": tokenizer.padding_id,
        "tie_word_embeddings": encoder.tie_embeddings,
        "dtype": "float32",
    }
    first = 0
    if architecture.positions_after_padding:
        first = tokenizer.padding_id + 1
        ids = {token: i for i, token in enumerate(tokenizer.vocabulary)}
        config["bos_token_id"] = ids.get(tokenizer.start)
        config["eos_token_id"] = ids.get(tokenizer.end)
    demanded = {**architecture.fixed, "first_position": first}
    for name, value in demanded.items():
        if getattr(encoder, name) != value:
            raise ValueError(
                f"{architecture.model} has {name}={value}; this encoder has "
                f"{getattr(encoder, name)}."
            )
    if encoder.activation not in ACTIVATIONS:
        raise ValueError(
            f"{architecture.model} has no activation {encoder.activation!r}."
        )
    return config
