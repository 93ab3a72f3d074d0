"""`benchmarks/translation.py`: one network in three systems, and the table."""

import io
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from keras_selfattn.models import Transformer
from keras_selfattn.preprocessing.translation_text import (
    BOS_ID,
    EOS_ID,
    source_ids,
)
from keras_selfattn.tasks import Translator
from tests.translation_examples import number_pairs, number_tokenizer

LINES = [pair.source for pair in number_pairs(6, seed=3)]


@pytest.fixture
def bench(load_script):
    return load_script("benchmarks/translation.py")


def tiny(target=None, **options):
    """A translator with random weights, biases and norms included."""
    tokenizer = number_tokenizer()
    options = {"num_layers": [2, 1], "num_heads": 2, **options}
    transformer = Transformer(
        tokenizer.vocabulary_size,
        hidden_dim=16,
        intermediate_dim=24,
        target_vocabulary_size=target and target.vocabulary_size,
        name="transformer",
        **options,
    )
    random = np.random.default_rng(0)
    for variable in transformer.trainable_variables:
        noise = 0.3 * random.standard_normal(variable.shape)
        value = keras.ops.convert_to_numpy(variable.value)
        variable.assign((value + noise).astype("float32"))
    return Translator(tokenizer, transformer, target, max_target_tokens=24)


MODELS = {
    "pre-norm, tied": {"block": {"activation": "relu"}},
    "post-norm": {"block": {"norm_first": False}},
    "gated, RMS norm": {"block": {"activation": "swiglu", "norm": "rms"}},
    "learned positions": {"positions": "learned", "max_sequence_length": 24},
    "no positions": {"positions": None},
    "two vocabularies, untied": {"target": True, "tie_embeddings": False},
}


@pytest.mark.parametrize("options", MODELS.values(), ids=MODELS)
def test_ctranslate2_computes_our_model(load_script, tmp_path, options):
    ctranslate2 = pytest.importorskip("ctranslate2")
    converter = load_script("benchmarks/translation_ctranslate2.py")
    options = dict(options)
    if options.pop("target", False):
        texts = [pair.target for pair in number_pairs(200)]
        options["target"] = number_tokenizer(texts, 20)
    task = tiny(**options)
    converter.convert(task, tmp_path / "model")
    theirs = ctranslate2.Translator(
        str(tmp_path / "model"), compute_type="float32", intra_threads=1
    )
    words, written = task.tokenizer.vocabulary, task.writer.vocabulary
    for line in LINES[:2]:
        row = source_ids(task.tokenizer, line)
        ((ids, _),) = task.write([row], beam=1)
        (found,) = theirs.translate_batch(
            [[words[i] for i in row]],
            beam_size=1,
            max_decoding_length=min(2 * len(row) + 10, 24),
            suppress_sequences=[[written[0]], [written[1]]],
            disable_unk=True,
        )
        assert found.hypotheses[0] == [written[i] for i in ids]
        # Not only the best tokens: all that was written has our score.
        target = ids.tolist()[:8]
        logits = task(
            {
                "source_ids": np.array([row]),
                "target_ids": np.array([[BOS_ID, *target]]),
            }
        )
        logits = keras.ops.convert_to_numpy(logits)[0].astype("float64")
        scores = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        (scored,) = theirs.score_batch(
            [[words[i] for i in row]], [[written[i] for i in target]]
        )
        expected = scores[np.arange(len(target) + 1), [*target, EOS_ID]]
        np.testing.assert_allclose(scored.log_probs, expected, atol=1e-4)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"positions": "rotary"}, "no positions 'rotary'"),
        ({"block": {"activation": "elu"}}, "no activation 'elu'"),
    ],
)
def test_what_ctranslate2_does_not_compute_is_refused(
    load_script, tmp_path, options, message
):
    pytest.importorskip("ctranslate2")
    converter = load_script("benchmarks/translation_ctranslate2.py")
    with pytest.raises(converter.ConversionError, match=message):
        converter.convert(tiny(**options), tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.slow  # importing keras_hub takes ten seconds
def test_keras_hub_writes_our_tokens(load_script):
    pytest.importorskip("keras_hub")
    hub = load_script("benchmarks/translation_keras_hub.py")
    task = tiny()
    model = hub.HubTranslator(task)
    rows = [source_ids(task.tokenizer, line) for line in LINES]
    ours = [ids.tolist() for ids, _ in task.write(rows, beam=1)]
    lengths = [len(ids) for ids in ours]
    assert model.write(rows, lengths, beam=1) == ours
    assert [len(ids) for ids in model.write(rows, lengths, beam=3)] == lengths
    with pytest.raises(hub.NotExpressibleError, match="no gates"):
        hub.HubTranslator(tiny(block={"activation": "swiglu"}))


def test_all_systems_translate_batches_alike(load_script):
    systems = load_script("benchmarks/translation_systems.py")
    task = tiny()
    asked = []

    def write(rows, places):
        asked.append([len(row) for row in rows])
        return [row[:-1] for row in rows]

    found = systems.in_batches([*LINES, ""], task, 4, write)
    expected = [source_ids(task.tokenizer, line)[:-1] for line in LINES]
    assert found == [*expected, []]
    assert [len(lengths) for lengths in asked] == [4, 2]
    assert sum(asked, []) == sorted(sum(asked, []))
    with pytest.raises(ImportError, match="pip install keras-hub"):
        systems.INSTALL["no_such_module"] = systems.INSTALL["keras_hub"]
        systems.need("no_such_module")


class FakeChild:
    """Answers as a child does."""

    def __init__(self, ids=(), seconds=1.0, error=None):
        self.ids, self.seconds, self.error = ids, seconds, error
        self.lengths = None

    def ask(self, do, lengths=None, **_):
        if self.error:
            raise self.error
        self.lengths = lengths
        if do == "translate":
            return {"token_ids": self.ids}
        return {"seconds": self.seconds, "cpu_s": self.seconds / 2}


@pytest.fixture
def cell(bench):
    same, other = [[5, 6], [7]], [[5, 6], [8, 9]]
    children = {
        "keras-torch": FakeChild(same, 3.0),
        "litert-int8": FakeChild(other, 1.0),
        "ct2-float32": FakeChild(same, 1.5),
        "ct2-int8": FakeChild(same, 0.6),
        "hub-torch": FakeChild(same, 6.0),
        "hub-jax": FakeChild(error=bench.ChildError("pip install it")),
    }
    budget = {"cell_seconds": 0, "least_turns": 2, "most_turns": 2}
    found = bench.measure_cell(children, {"batch": 1, "beam": 1}, budget)
    return found, children


def test_ratios_are_of_tokens_a_second_in_the_same_precision(cell):
    found, children = cell
    systems = found["systems"]
    assert found["reference"] == "keras-torch"
    rates = systems["keras-torch"]["to_ctranslate2"]
    assert rates == {"clock": 0.5, "processor": 0.5}
    rate = systems["litert-int8"]["to_ctranslate2"]["clock"]
    assert rate == pytest.approx((4 / 1.0) / (3 / 0.6))
    assert systems["litert-int8"]["same_as_reference"] == 1
    assert systems["ct2-float32"]["same_as_reference"] == 2
    assert found["failed"] == {"hub-jax": "pip install it"}
    # KerasHub is told what ours wrote.
    assert children["hub-torch"].lengths == [2, 1]


def test_the_table_says_who_is_ahead_and_who_did_not_run(bench, cell):
    out = io.StringIO()
    bench.show([cell[0]], Console(file=out, width=160))
    text = " ".join(out.getvalue().split())
    assert "KerasHub, jax did not run: pip install it" in text
    assert "tokens of ours: Keras, torch for 2 of 2 sentences" in text
    assert "2.00 times KerasHub, torch" in text
    assert "1 of 2" in text


def test_systems_are_known_by_name(bench):
    names = bench.system_names(["torch", "jax"])
    assert names[:2] == ["keras-torch", "keras-jax"]
    assert bench.title("hub-jax") == "KerasHub, jax"
    assert bench.system_names(["jax"], ["ct2-int8"]) == ["ct2-int8"]
    with pytest.raises(bench.BenchmarkError, match="--system marian: there"):
        bench.system_names(["jax"], ["marian"])


def test_a_draw_is_the_same_for_the_same_seed(bench, tmp_path):
    table = tmp_path / "t.tsv"
    rows = [f"dev\t{pair.source}\t{pair.target}" for pair in number_pairs(20)]
    table.write_text("\n".join(["split\tsrc\ttgt", *rows]) + "\n")
    first = bench.draw(f"{table}:dev", 5, seed=1)
    assert len(set(first)) == 5
    assert first == bench.draw(f"{table}:dev", 5, seed=1)
    assert first != bench.draw(f"{table}:dev", 5, seed=2)
    assert len(bench.draw(f"{table}:dev", 99, seed=1)) == 20


def test_wrong_options_are_refused(bench):
    app = bench.typer.Typer()
    app.command()(bench.main)
    words = ["--preset", "none", "--table", "none.tsv:dev"]
    done = CliRunner().invoke(app, [*words, "--system", "marian"])
    assert done.exit_code == 2 and "there are keras-torch" in done.output
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2 and "none.tsv" in done.output


def test_a_child_is_told_its_backend(bench, monkeypatch):
    made = []

    def child(script, environment, threads):
        made.append((environment["KERAS_BACKEND"], threads))
        return stack_child

    sent = {}
    stack_child = SimpleNamespace(send=lambda **request: sent.update(request))
    monkeypatch.setattr(bench, "Child", child)
    stack = SimpleNamespace(enter_context=lambda child: child)
    job = {"preset": "p", "folder": "f", "lines": [], "backend": "torch"}
    bench.start(stack, "hub-jax", job)
    assert sent["system"] == "hub"
    bench.start(stack, "ct2-int8", job)
    assert sent["system"] == "ct2_int8"
    assert made == [("jax", 1), ("torch", 1)]
