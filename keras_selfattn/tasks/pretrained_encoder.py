"""An encoder that was trained before, for another task."""

from keras_selfattn.models.bert import BertEncoder
from keras_selfattn.weight_copies import copy_weights

DROPOUTS = ("dropout", "attention_dropout")


def encoder_copy(pretrained, dropout=None, **changes):
    """The encoder of a masked LM, a model of its own with the same weights.

    Args:
        pretrained: MaskedLM with a BertEncoder.
        dropout: float in [0, 1), in place of the encoder's own, also of that
            on attention weights.
        **changes: other arguments of the BertEncoder.

    Returns:
        BertEncoder, named "encoder".

    Raises:
        ValueError: another encoder, or another kind of task.
    """
    encoder = getattr(pretrained, "encoder", None)
    if not isinstance(encoder, BertEncoder):
        raise ValueError(
            "Expected a MaskedLM with a BertEncoder to begin with; received a "
            f"{type(pretrained).__name__} with a {type(encoder).__name__}."
        )
    sizes = encoder.get_config() | {"name": "encoder", **changes}
    if dropout is not None:
        sizes |= dict.fromkeys(DROPOUTS, dropout)
    own = BertEncoder(**sizes)
    copy_weights(own, encoder)
    return own
