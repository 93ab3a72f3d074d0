import pytest

from keras_selfattn.convert.architectures import (
    ACTIVATIONS,
    ARCHITECTURES,
)
from keras_selfattn.convert.tensor_table import rows_of
from keras_selfattn.models import BertEncoder


@pytest.mark.parametrize("kind", sorted(ARCHITECTURES))
def test_a_table_names_every_variable_once(kind):
    found = ARCHITECTURES[kind]
    assert found.model_type == kind
    segments = found.fixed.get("num_segments", 2)
    encoder = BertEncoder(
        9, 4, 2, 2, 6, 8, segments, pooler=bool(segments), tie_embeddings=False
    )
    rows = rows_of(found.encoder + found.head, 2)
    ours = [part for row in rows for part in row.parts]
    theirs = [row.theirs for row in rows]
    assert len(set(ours)) == len(ours) and len(set(theirs)) == len(theirs)
    head = {part for row in found.head for part in row.parts}
    paths = {variable.path for variable in encoder.weights}
    assert paths <= set(ours)
    assert set(ours) - paths == head - {"token_embedding/reverse_embeddings"}


@pytest.mark.parametrize("kind", sorted(ARCHITECTURES))
def test_sizes_are_arguments_of_the_encoder(kind):
    found = ARCHITECTURES[kind]
    config = BertEncoder(9, 4, 1, 2, 6, 8).get_config()
    assert {ours for ours, _, _ in found.sizes} | set(found.fixed) <= set(
        config
    )
    assert set(ACTIVATIONS.values()) <= {"gelu", "relu", "silu"}
