"""`train/masked_lm.py`: it learns, goes on exactly, and can be begun with."""

import inspect
import json
from types import SimpleNamespace

import numpy as np
import pytest

from keras_selfattn import zoo
from keras_selfattn.data.masked_dataset import MaskedDataset
from keras_selfattn.tasks import MaskedLM
from keras_selfattn.tasks.task import Task
from keras_selfattn.training.callbacks import read_rows
from tests.command_line import TINY_TEXT
from tests.stopped_runs import stopped_at

OPTIONS = {
    "vocabulary": 60,
    "max_tokens": 16,
    "hidden_dim": 16,
    "layers": 1,
    "heads": 2,
    "batch_tokens": 128,
    "epochs": 2,
    "dev_share": 0.2,
    "warmup_steps": 2,
    "learning_rate": 1e-2,
    "checkpoint_every": 3,
}


@pytest.fixture
def script(load_script):
    return load_script("train/masked_lm.py")


def arguments(script, out, **options):
    """What `main` gives to `run`."""
    parameters = inspect.signature(script.main).parameters.values()
    values = {p.name: p.default for p in parameters} | OPTIONS
    text = script.write_counting(out.parent / "counting.txt")
    values |= {"text": [str(text)], "out": out}
    return SimpleNamespace(**(values | options))


def steps(out):
    """What every run must agree on: all but the seconds."""
    return [
        {name: value for name, value in row.items() if name != "seconds"}
        for row in read_rows(out / "steps.jsonl")
    ]


def test_a_stopped_run_goes_on_to_the_same_losses(
    script, tmp_path, monkeypatch
):
    said = []
    monkeypatch.setattr(script, "say", said.append)
    script.run(arguments(script, tmp_path / "whole", epochs=3))
    expected = steps(tmp_path / "whole")
    assert len({row["loss"] for row in expected}) == len(expected) == 18
    rows = [json.loads(line) for line in said if line.startswith('{"epoch"')]
    assert rows[-1]["dev_loss"] < rows[0]["dev_loss"]
    assert 0 <= rows[-1]["dev_accuracy"] <= 1

    args = arguments(script, tmp_path / "stopped", epochs=3)
    with stopped_at(1, 3):
        script.run(args)
    script.run(args)
    assert "Going on with epoch 1, batch 3." in said
    assert steps(tmp_path / "stopped") == expected
    name = "preset/model.safetensors"
    one, other = (tmp_path / run / name for run in ("whole", "stopped"))
    assert one.read_bytes() == other.read_bytes()

    # Both of what it leaves are the same model; either can be gone on with.
    task = Task.from_preset_folder(tmp_path / "whole/preset")
    again = zoo.load(tmp_path / "whole/checkpoint")
    assert type(task) is type(again) is MaskedLM
    text = "one two [MASK] four"
    for a, b in zip(task.fill_mask(text), again.fill_mask(text), strict=True):
        assert a.score == pytest.approx(b.score, abs=5e-3)
    out = tmp_path / "more"
    init = str(tmp_path / "whole/checkpoint")
    script.run(arguments(script, out, init=init, max_steps=1, epochs=1))
    assert steps(out)[0]["loss"] < expected[0]["loss"]


def test_positions_begin_as_sinusoids(script, tmp_path):
    """Each place is most alike its neighbours, and as large as by chance."""
    (tmp_path / "out").mkdir()
    args = arguments(script, tmp_path / "out")
    encoder = script.build_model(args, ["one two three"]).encoder
    table = np.asarray(encoder.get_layer("positions").get_weights()[0])
    assert table.shape == (16, 16)
    assert np.sqrt((table**2).mean()) == pytest.approx(0.02, rel=0.01)
    alike = table @ table.T
    for place in range(1, 15):
        nearest = set(np.argsort(-alike[place])[:3])
        assert nearest == {place - 1, place, place + 1}
    args.scale_parameter = True
    script.compile_model(args, model := script.build_model(args, []), 10)
    scales = model.optimizer.learning_rate_scales
    assert scales["positions/embeddings"] == pytest.approx(0.02, rel=0.01)


def test_the_dev_figures_are_of_what_is_hidden(script):
    """By a model that is sure of one token, and nothing else."""

    class Sure:
        def predict_on_batch(self, inputs):
            logits = np.zeros((*inputs["token_ids"].shape, 60), "float32")
            logits[..., 7] = 5
            return logits

    class Tokenizer:
        max_tokens, mask_id, special_ids, vocabulary_size = 16, 4, [0], 60
        pad = staticmethod(
            lambda rows, n: {"token_ids": np.array(rows, "int32")}
        )

    rows = [[7, 8, 7, 9], [9, 9, 7, 9]]
    dataset = MaskedDataset(rows, Tokenizer(), 2, length_multiple=4, share=0.99)
    dataset.set_epoch(3)
    found = script.scores(Sure(), dataset)
    norm = np.log(59 + np.exp(5))
    assert found == {
        "dev_loss": round(norm - 5 * 3 / 8, 4),
        "dev_accuracy": round(3 / 8, 4),
    }
    assert script.scores(Sure(), None) == {}


def test_texts_are_lines_and_tables_and_long_ones_are_parted(script, tmp_path):
    lines = tmp_path / "lines.txt"
    lines.write_text("one two\n\nthree <br /> four\n", "utf-8")
    table = tmp_path / "t.tsv"
    table.write_text("split\tlabel\ttext\ntrain\ta\tfive\ndev\ta\tsix\n")
    args = arguments(
        script,
        tmp_path / "out",
        text=[str(lines), f"{table}:train"],
        dev=[f"{table}:dev"],
        html=True,
    )
    texts, held_out = script.read_parts(args)
    assert [" ".join(t.split()) for t in texts] == [
        "one two",
        "three four",
        "five",
    ]
    assert held_out == ["six"]
    args.out.mkdir()
    tokenizer = script.make_tokenizer(args, ["one two " * 30])
    rows = script.rows_of(tokenizer, ["one two " * 15, ""])
    assert [len(row) for row in rows] == [16, 16, 4]
    assert "".join(tokenizer.decode(row) + " " for row in rows) == (
        "one two " * 15
    )


def test_nothing_to_read_is_named(script, tmp_path):
    with pytest.raises(ValueError, match="no --text FILE"):
        script.run(arguments(script, tmp_path / "out", text=[]))
    other = str(TINY_TEXT)
    message = "a MaskedLM with a BertEncoder .* received a TextClassifier"
    with pytest.raises(ValueError, match=message):
        script.run(arguments(script, tmp_path / "out", init=other))
    empty = tmp_path / "empty.txt"
    empty.write_text("\n\n")
    with pytest.raises(ValueError, match="no text in it"):
        script.run(arguments(script, tmp_path / "out", text=[str(empty)]))
