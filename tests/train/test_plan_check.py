"""`train/plan_check.py` measures what `plan.py` estimates."""

import pytest


@pytest.mark.backend
def test_figures_are_measured(load_script):
    script = load_script("train/plan_check.py")
    found = script.measure("smoke", batch=2.0, length=1.0, steps=1)
    assert found["parameters"] > 5000
    assert found["memory"] > 0 and found["activations"] > 0
    assert found["step_seconds"] > 0
    assert script.peak_flops(size=64, repetitions=2) > 1e6


def test_estimates_stand_beside_what_was_measured(
    load_script, monkeypatch, capsys
):
    script = load_script("train/plan_check.py")
    monkeypatch.setattr(script, "peak_flops", lambda: 1e9)
    measured = {"parameters": 1e6, "memory": 2e6, "step_seconds": 0.5}
    measured["activations"] = 1e6
    monkeypatch.setattr(script, "measure", lambda *_: measured)
    script.main("smoke", 32.0, 8.0, 3)
    said = capsys.readouterr().err
    assert "measured 1.00 M" in said and "measured 0.50 s" in said
    assert "of 1 GFLOP/s" in said
