"""BERT, RoBERTa and DistilBERT as `MaskedLM`, and back.

Their tables are in `architectures`; how a checkpoint is found and written is
in `huggingface`.
"""

from keras_selfattn.convert.architectures import (
    ACTIVATIONS,
    ARCHITECTURES,
    BERT,
    DISTILBERT,
    ROBERTA,
)
from keras_selfattn.convert.hf_tokenizer import (
    check_vocabulary,
    read_json,
    read_tokenizer,
    tokenizer_files,
)
from keras_selfattn.convert.safetensors_files import read_tensors
from keras_selfattn.convert.tensor_table import (
    fill,
    give,
    rows_of,
    weights_of,
)

CONFIG = "config.json"
POOLER = "pooler.dense.weight"


def load_bert(folder, config):
    """A MaskedLM with the weights of a checkpoint.

    Args:
        folder: `pathlib.Path`.
        config: dict, its config.json.

    Returns:
        MaskedLM; without a head where the checkpoint has none.

    Raises:
        ValueError: see `huggingface.load_hf`.
    """
    from keras_selfattn.models.bert import BertEncoder
    from keras_selfattn.tasks.masked_lm import MaskedLM

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
    check_vocabulary(folder, tokenizer, encoder.vocabulary_size)
    task = MaskedLM(tokenizer, encoder, head, _pooling(folder))
    rows = rows_of(architecture.encoder + architecture.head, encoder.num_layers)
    fill(task, rows, tensors, architecture.ignored, folder)
    return task


def bert_files(task):
    """A MaskedLM as files that `transformers` loads.

    Args:
        task: MaskedLM with a BertEncoder.

    Returns:
        config, dict; tensors, dict of arrays; the tokenizer's files, dict of a
        name to its text.

    Raises:
        ValueError: another encoder, or sizes that no architecture of theirs
            has.
    """
    from keras_selfattn.models.bert import BertEncoder

    encoder = task.encoder
    if not isinstance(encoder, BertEncoder):
        raise ValueError(
            "save_hf writes a MaskedLM with a BertEncoder; received one with "
            f"a {type(encoder).__name__}."
        )
    architecture = _own_architecture(encoder)
    config = _config(task, architecture)
    arrays = weights_of(task)
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
    return config, tensors, tokenizer_files(task.tokenizer)


def _architecture(folder, config):
    """The table of a config.json; what we cannot do is refused."""
    kind = config["model_type"]
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
