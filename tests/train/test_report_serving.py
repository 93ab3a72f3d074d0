"""train/report_serving.py: the tables of the HTTP service."""

import pytest


@pytest.fixture
def report(load_script):
    return load_script("train/report_serving.py")


def summary(rate, **more):
    return {
        "requests_a_second": rate,
        "p50_ms": 12.4,
        "p95_ms": 80.6,
        "statuses": {"200": 900, "429": 7, "500": 2},
        **more,
    }


def test_rates_times_and_what_was_gained(report):
    names = {"one at a time": 50.0, "up to 8": 110.0}
    result = {
        "machine": "a processor",
        "load_before": 0.25,
        "clients": 32,
        "seconds": 60.0,
        "minute": summary(
            90.0,
            kinds={"transcription": summary(30.0)},
            resident_bytes=[2**20, 300 * 2**20],
            growth_bytes=2**19,
        ),
        "without_http": {"threads": 60.0, "processes": 90.0},
        "compared": {"translation": {n: summary(r) for n, r in names.items()}},
        "command": "python load.py",
    }
    text = report.render_serving(result)
    assert "| transcription | 30 | 12 | 81 |" in text
    assert "| all | 90 | 12 | 81 |" in text
    assert "900 answered, 7 told to try again (429), 2 errors" in text
    assert "300 MiB, grown by 0.5 MiB" in text
    assert "| translation | 50 (1.00x) | 110 (2.20x) |" in text
    assert "60 by threads" in text and "python load.py" in text
    assert "not been measured" in report.render_serving(None)
