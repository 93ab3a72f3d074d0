"""A classifier on a tiny BERT, as fine-tuning begins with it."""

import numpy as np

from keras_selfattn.models import BertEncoder
from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer
from keras_selfattn.tasks import MaskedLM
from keras_selfattn.tasks.pretrained_classifier import pretrained_classifier
from tests.fixed_weights import draw_weights
from tests.transformers_models import VOCABULARY

INPUTS = {"token_ids": np.array([[2, 5, 6, 3], [2, 7, 3, 0]], "int32")}
TARGETS = np.array([0, 1], "int32")


def build(**options):
    """A TextClassifier of "no" and "yes" with two blocks, nothing at zero."""
    tokenizer = SubwordTokenizer(VOCABULARY, max_tokens=16)
    encoder = BertEncoder(
        len(VOCABULARY), 6, 2, 2, 10, max_sequence_length=16, name="encoder"
    )
    task = draw_weights(MaskedLM(tokenizer, encoder, head=False))
    options = {"encoder_dropout": 0.0, "dropout": 0.0, **options}
    return draw_weights(pretrained_classifier(task, ["no", "yes"], **options))
