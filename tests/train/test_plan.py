"""`train/plan.py`: its counts are those of real models; its sums by hand."""

import inspect
from types import SimpleNamespace

import pytest

from keras_selfattn.models import ConformerEncoder, TextEncoder
from keras_selfattn.models.conformer import complete_stage
from keras_selfattn.tasks import SpeechRecognizer


@pytest.fixture
def script(load_script):
    return load_script("train/plan.py")


def arguments(script, **options):
    parameters = inspect.signature(script.main).parameters.values()
    values = {p.name: p.default for p in parameters}
    return SimpleNamespace(**(values | options))


@pytest.mark.parametrize(
    "name", ["conformer", "transformer", "whisper-conformer", "keywords"]
)
def test_parameters_are_those_of_the_model(script, name):
    args = arguments(script, architecture=name)
    found = script.speech_costs(script.stages_of(args)).parameters
    stages = [dict(stage) for stage in script.stages_of(args)]
    model = SpeechRecognizer(encoder=ConformerEncoder(80, stages=stages))
    assert found == pytest.approx(model.count_params(), rel=0.005)


def test_parameters_of_a_text_encoder(script):
    args = arguments(
        script, hidden_dim=64, layers=3, heads=4, intermediate_dim=128
    )
    (stage,) = script.stages_of(args)
    vocabulary = 1000
    found = script.text_costs(stage, vocabulary).parameters
    model = TextEncoder(vocabulary, 64, 3, 4, intermediate_dim=128)
    ends = (64 + 1) * vocabulary  # the prediction, which an encoder has not
    assert found == pytest.approx(model.count_params() + ends, rel=0.005)


def test_a_plan_by_hand(script):
    """Two devices, a batch of 8 places, a model of 10 parameters."""
    costs = script.Costs(10.0, 20.0, 4.0, 6.0, 2.0)
    device = script.Device(1000.0, 100.0, 1e9, 50.0, "a device")
    args = SimpleNamespace(
        batch=8.0,
        length=5.0,
        amount=100.0,
        epochs=2,
        devices=2,
        precision="bfloat16",
        utilisation=0.5,
        fused=False,
    )
    found = script.plan(costs, args, device)
    assert found["steps"] == 25
    assert found["flops"] == 3 * 8 * (20 + 4 * 5) == 960
    assert found["compute_seconds"] == 960 / 2 / 500
    assert found["sent"] == 2 * 1 / 2 * 40  # each gradient once around
    assert found["communication_seconds"] == 40 / 50
    kept = script.KEPT_BESIDES * (6 + 2 * 5) * 2 * 4
    assert found["activations"] == pytest.approx(kept)
    assert found["memory"] == pytest.approx((4 + 4 + 8) * 10 + kept)
    assert found["total_seconds"] == pytest.approx(25 * (0.96 + 0.8))
    args.fused, args.devices, args.precision = True, 1, "float32"
    found = script.plan(costs, args, device)
    kept = script.KEPT_BESIDES * 6 * 4 * 8
    assert found["activations"] == pytest.approx(kept) and found["sent"] == 0
    assert found["compute_seconds"] == 960 / 50


def test_a_stage_at_half_the_rate_costs_half(script):
    one = script.Costs(1.0, 2.0, 3.0, 4.0, 5.0)
    found = script.Costs().plus(one, 0.5)
    assert found == script.Costs(1.0, 1.0, 0.75, 2.0, 1.25)


def test_the_report_says_what_fits(script, capsys):
    options = {"architecture": "conformer", "hours": 960.0, "devices": 8}
    script.run(arguments(script, batch=1280.0, epochs=50, **options))
    said = capsys.readouterr().err
    assert "8 x NVIDIA H100 SXM, bfloat16" in said
    assert ": fits." in said and "135,000 steps" in said
    script.run(arguments(script, batch=1e7, **options))
    assert "DOES NOT FIT" in capsys.readouterr().err
    script.run(
        arguments(script, hidden_dim=512, layers=6, tokens=1e9, kind="a100")
    )
    assert "A step of 4,096 tokens" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options, message",
    [
        ({}, "one of --hours and --tokens"),
        ({"hours": 1.0}, "no model"),
        ({"hours": 1.0, "architecture": "x"}, "--architecture x is unknown"),
        ({"hours": 1.0, "kind": "x"}, "--kind x is unknown"),
        ({"hours": 1.0, "precision": "x"}, "--precision x"),
        ({"hours": 1.0, "utilisation": 2.0}, "--utilisation above 0"),
    ],
)
def test_what_is_asked_for_wrongly_is_refused(script, options, message):
    with pytest.raises(ValueError, match=message):
        script.run(arguments(script, **options))


def test_a_presets_stages_are_read(script):
    (first, second) = script.stages_of(arguments(script, preset="asr"))
    assert first == complete_stage(first) and second["block"] == "conformer"
    with pytest.raises(ValueError, match="is not a recogniser"):
        script.stages_of(arguments(script, preset="translation"))
