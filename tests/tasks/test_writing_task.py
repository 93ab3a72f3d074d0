"""What `WritingTask` gives its children; their own tests hold the rest."""

import numpy as np
import pytest

from keras_selfattn.models import Transformer
from keras_selfattn.tasks.writing_task import WritingTask
from tests.fixed_weights import draw_weights

SIZES = {"hidden_dim": 8, "num_layers": 1, "num_heads": 2}


class Ids:
    """Texts that are ids already."""

    vocabulary_size = 30


class Copying(WritingTask):
    signature = "copy"
    begin_id, end_id, first_id = 1, 2, 4
    banned_ids = (0, 1, 3)
    most_source_tokens = 20
    most_target_tokens = 6
    label_smoothing = 0.0
    tokenizer = Ids()


def task(kind=Copying):
    transformer = Transformer(30, intermediate_dim=8, **SIZES)
    return draw_weights(kind(transformer))


def test_a_file_has_its_searches_under_the_name():
    found = task()
    assert found.export_signature().name == "copy"
    assert set(found.export_parts()) == {"copy_beam", "encode", "decode_step"}


def test_probes_are_of_words_with_the_end():
    probes = [probe["source_ids"] for probe in task().export_probes()]
    assert [len(ids) for ids in probes] == [1, 2, 3, 7, 16, 17, 20]
    for ids in probes:
        assert ids[-1] == 2 and ids.dtype == np.int32
        assert (ids[:-1] >= 4).all() and (ids < 30).all()


def test_texts_end_where_the_task_says():
    found = task()
    ((ids, _),) = found.text_writer.write([[7, 9, 2]])
    assert len(ids) <= 6 and not set(ids.tolist()) & {0, 1, 2, 3}
    found.most_target_tokens = 3
    ((short, _),) = found.text_writer.write([[7, 9, 2]])
    assert short.tolist() == ids[:3].tolist()
    wanted = found.reference_outputs(
        {"source_ids": np.array([7, 9, 2], "int32")}
    )
    written = found.export_outputs(
        {"source_ids": np.array([[7, 9, 2]], "int32")}
    )
    np.testing.assert_array_equal(
        np.asarray(written["token_ids"])[0][:3], wanted["token_ids"][:3]
    )


def test_a_task_without_sources_says_so():
    with pytest.raises(NotImplementedError, match="Copying.*source_ids"):
        task().source_ids("a text")
