"""A text classifier on an encoder that was trained before."""

from keras_selfattn.preprocessing.text_tokenizer import TextTokenizer
from keras_selfattn.tasks.pretrained_encoder import encoder_copy
from keras_selfattn.tasks.text_classifier import TextClassifier


def pretrained_classifier(
    pretrained,
    labels,
    max_tokens=None,
    encoder_dropout=None,
    html=False,
    truncation="start",
    **options,
):
    """A TextClassifier with the tokenizer and encoder of a masked LM.

    The encoder is a copy with the same weights, without the pooler; the
    pooling and the head are new. For BERT, DistilBERT, MiniLM and what
    `train/masked_lm.py` trains; texts get the ids that the checkpoint's own
    tokenizer gives. RoBERTa's, whose padding is not id 0, do not fit.

    Reference: Devlin et al. 2019 (arXiv:1810.04805), section 4; they take
    the first token's vector, we pool as TextClassifier does.

    Args:
        pretrained: MaskedLM with a BertEncoder, as `zoo.load("hf://...")` or
            `zoo.load(folder)` gives.
        labels: list of str, names of the classes.
        max_tokens: int, tokens kept of a text (or pair), marks included;
            default: the tokenizer's.
        encoder_dropout: float in [0, 1), in place of the checkpoint's, also
            of that on attention weights.
        html: bool, texts hold HTML.
        truncation: see TextTokenizer.
        **options: more arguments of TextClassifier.

    Returns:
        TextClassifier.

    Raises:
        ValueError: another encoder, padding that is not id 0, or more tokens
            than the encoder has places.

    Example:
        >>> task = zoo.load("hf://sentence-transformers/all-MiniLM-L6-v2")
        >>> classifier = pretrained_classifier(task, ["bad", "good"])
        >>> classifier.classify(("one text", "and its pair")).label
        "good"
    """
    encoder = encoder_copy(pretrained, encoder_dropout, pooler=False)
    config = pretrained.tokenizer.get_config()
    if pretrained.tokenizer.padding_id:
        raise ValueError(
            f"The checkpoint pads with id {pretrained.tokenizer.padding_id}; "
            "a TextClassifier reads tokenizers that pad with 0: BERT's, "
            "DistilBERT's and MiniLM's."
        )
    max_tokens = max_tokens or config["max_tokens"]
    if max_tokens > encoder.room:
        raise ValueError(
            f"max_tokens={max_tokens}, but the encoder has "
            f"{encoder.room} places; give at most so many."
        )
    tokenizer = TextTokenizer(
        config["vocabulary"],
        config["split"],
        {"html": html, "form": None, "half_width": False},
        max_tokens=max_tokens,
        truncation=truncation,
        unknown=config["unknown"],
        start=config["start"],
        end=config["end"],
    )
    return TextClassifier(labels, tokenizer, encoder, **options)
