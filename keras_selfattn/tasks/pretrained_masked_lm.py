"""A masked language model on an encoder that was trained before."""

from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer
from keras_selfattn.tasks.masked_lm import MaskedLM
from keras_selfattn.tasks.pretrained_encoder import encoder_copy
from keras_selfattn.weight_copies import copy_weights


def pretrained_masked_lm(pretrained, max_tokens=None, encoder_dropout=None):
    """A MaskedLM to train further; it has a head, new where there was none.

    Encoder and head are copies. A new head, for a checkpoint of sentence
    embeddings such as MiniLM, has to be trained before it fills anything.

    Reference: Gururangan et al. 2020 (arXiv:2004.10964), section 3: to train
    further on the texts of a domain.

    Args:
        pretrained: MaskedLM with a BertEncoder, as `zoo.load("hf://...")` or
            `zoo.load(folder)` gives.
        max_tokens: int, tokens kept of a text, marks included; default: the
            tokenizer's.
        encoder_dropout: float in [0, 1), in place of the checkpoint's, also
            of that on attention weights.

    Returns:
        MaskedLM.

    Raises:
        ValueError: another encoder, or more tokens than it has places.

    Example:
        >>> task = zoo.load("hf://sentence-transformers/all-MiniLM-L6-v2")
        >>> model = pretrained_masked_lm(task, max_tokens=128)
        >>> model.compile(GuardedAdamW(1e-4))
        >>> model.fit(MaskedDataset(texts, model.tokenizer).for_backend())
    """
    encoder = encoder_copy(pretrained, encoder_dropout)
    config = pretrained.tokenizer.get_config()
    if max_tokens is not None:
        config["max_tokens"] = max_tokens
    model = MaskedLM(
        SubwordTokenizer(**config), encoder, pooling=pretrained.pooling
    )
    if pretrained.head:
        copy_weights(model, pretrained)
    return model
