import keras
import numpy as np
import pytest

from keras_selfattn.data.text_to_text_dataset import TextToTextDataset
from keras_selfattn.models import T5
from keras_selfattn.tasks import TextToText
from keras_selfattn.tasks.task import Task
from tests.arrays import to_numpy
from tests.fixed_weights import draw_weights
from tests.text_to_text_examples import sentinel_tokenizer, word_tasks

TOKENIZER = sentinel_tokenizer(digits=True)
TASKS = word_tasks(5)
SIZES = {
    "hidden_dim": 24,
    "num_layers": 1,
    "num_heads": 3,
    "intermediate_dim": 48,
    "activation": "geglu_new",
    "dropout": 0.0,
}


def text_to_text(extra=0, **options):
    size = TOKENIZER.vocabulary_size + extra
    return TextToText(
        TOKENIZER, T5(size, **SIZES, name="transformer"), **options
    )


def learn(task, epochs=60):
    """One batch of two tasks by heart; returns the losses."""
    data = TextToTextDataset(
        TASKS, TOKENIZER, batch_tokens=4096, length_multiple=16, progress=False
    )
    ((inputs, labels),) = data.batches()
    task.compile(keras.optimizers.Adam(1e-2))
    history = task.fit(
        inputs, labels, batch_size=len(labels), epochs=epochs, verbose=0
    )
    return history.history["loss"]


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(0)
    task = text_to_text(max_source_tokens=40, max_target_tokens=30)
    return task, learn(task)


def test_overfits_one_batch_of_two_tasks(trained):
    task, losses = trained
    assert losses[0] > 2 and losses[-1] < 0.05
    for name, pairs in TASKS.items():
        targets = [pair.target for pair in pairs]
        sources = [pair.source for pair in pairs]
        assert task.generate(sources) == targets
        texts = [source.removeprefix(f"{name}: ") for source in sources]
        assert task.generate(texts, prefix=f"{name}: ", beam=3) == targets


def test_details_and_single_texts(trained):
    task, _ = trained
    pair = TASKS["back"][1]
    found = task.generate(pair.source, details=True)
    assert found["text"] == pair.target and found["score"] < 0
    assert found["token_ids"] == TOKENIZER.encode(pair.target)
    assert task.generate([]) == []
    assert isinstance(task.generate(""), str)
    # What is too long is left out; the end is not.
    ids = task.source_ids("one " * 100)
    assert len(ids) == 40 and ids[-1] == TOKENIZER.end_id
    for wrong in (None, [None], [b"one"]):
        with pytest.raises((ValueError, TypeError)):
            task.generate(wrong)


def test_sentinels_are_kept_on_request(trained, monkeypatch):
    task, _ = trained
    ids = TOKENIZER.encode("<extra_id_0> one")
    monkeypatch.setattr(
        task.text_writer, "write_sorted", lambda rows, *search: [(ids, -1.0)]
    )
    assert task.generate("one") == "one"
    assert task.generate("one", keep_sentinels=True) == "<extra_id_0> one"


def test_a_preset_comes_back_and_answers_alike(trained, tmp_path):
    task, _ = trained
    task.save_preset(tmp_path / "preset", license="none")
    loaded = Task.from_preset_folder(tmp_path / "preset")
    assert type(loaded) is TextToText
    assert loaded.task_config() == task.task_config()
    sources = [pair.source for pair in TASKS["digits"]]
    assert loaded.generate(sources) == task.generate(sources)


def test_what_the_tokenizer_has_not_is_never_written():
    """The embeddings may be more than the pieces, as T5's are."""
    task = draw_weights(text_to_text(extra=7, max_target_tokens=20))
    size = TOKENIZER.vocabulary_size
    embeddings = task.transformer.get_layer("token_embedding").embeddings
    table = to_numpy(embeddings.value).copy()
    table[size:] = 9 * table[4]  # loud
    embeddings.assign(table)
    for beam in (1, 2):
        found = task.generate("one two", beam=beam, details=True)
        assert max(found["token_ids"]) < size
    with pytest.raises(ValueError, match="has 60 tokens.*built for 59"):
        text_to_text(extra=-1)


def test_what_a_file_says_of_itself(trained):
    task, _ = trained
    found = task.export_metadata()
    assert found["cache_shape"] == [2, 1, 3, None, 8]
    assert (found["begin_id"], found["end_id"]) == (0, 1)
    assert task.export_signature().name == "generate"
    assert set(task.export_parts()) == {
        "generate_beam",
        "encode",
        "decode_step",
    }
    source = task.typical_input()[0]["source_ids"]
    written = to_numpy(
        task.export_outputs({"source_ids": source[None]})["token_ids"]
    )[0]
    expected = task.reference_outputs({"source_ids": source})["token_ids"]
    np.testing.assert_array_equal(written, expected)
    assert {len(p["source_ids"]) for p in task.export_probes()} == {
        1,
        2,
        3,
        7,
        16,
        17,
        40,
    }
    assert task.calibration_inputs(["one"])[0]["source_ids"][-1] == 1
