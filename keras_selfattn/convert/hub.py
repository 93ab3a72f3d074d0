"""Where `hf://owner/name` lies on this machine."""

import re
from pathlib import Path

PREFIX = "hf://"
# Some of the oldest, such as t5-small, are known without an owner.
_NAME = re.compile(r"([\w.-]+/)?[\w.-]+")
# What is fetched: never a pickle, never another framework's weights.
FILES = (
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "model*.safetensors",
    "model.safetensors.index.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "tokenizer.json",
    "added_tokens.json",
    "spiece.model",
    "source.spm",
    "target.spm",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
)


def hub_folder(source):
    """Fetches a repository of the Hugging Face hub, or finds it in its cache.

    Args:
        source: str, `hf://owner/name`, or `hf://owner/name@revision`.

    Returns:
        `pathlib.Path` of a folder.

    Raises:
        ValueError: no such name or repository, or no network and nothing in
            the cache; says what to put where.
        ImportError: the package huggingface_hub is not installed.
    """
    name, _, revision = source.removeprefix(PREFIX).partition("@")
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{source!r} names no repository; expected hf://owner/name, such "
            "as hf://sentence-transformers/all-MiniLM-L6-v2."
        )
    by_hand = (
        "Or put its files (config.json, model*.safetensors, its tokenizer's) "
        f"into a folder and load that: zoo.load('./{name.split('/')[-1]}')."
    )
    try:
        from huggingface_hub import constants, snapshot_download
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError as error:
        raise ImportError(
            f"{source} is fetched by the package huggingface_hub, which is "
            f"not installed: pip install 'keras-selfattn[hub]'. {by_hand}"
        ) from error
    try:
        found = snapshot_download(
            name, revision=revision or None, allow_patterns=list(FILES)
        )
    except HfHubHTTPError as error:
        raise ValueError(f"{source}: {error} {by_hand}") from error
    except Exception as error:  # of whatever carries it: httpx, OSError, ...
        raise ValueError(
            f"{source} could not be fetched ({type(error).__name__}: "
            f"{error}), and {constants.HF_HUB_CACHE} does not hold it. Mend "
            "the network, or copy that cache from a machine that has it. "
            f"{by_hand}"
        ) from error
    return Path(found)
