import asyncio
import json

import pytest
from typer.testing import CliRunner

RESULT = {
    "without_http": {"threads", "processes"},
    "compared": {"transcription", "translation", "classification"},
}


@pytest.fixture
def bench(load_script):
    return load_script("benchmarks/serve.py")


def test_a_summary_counts_and_times(bench):
    found = [("a", 200, 0.001 * i) for i in range(1, 102)]
    found += [("a", 429, 9.0), ("a", 500, 9.0)]
    summary = bench.summary(found, 10)
    assert summary["statuses"] == {"200": 101, "429": 1, "500": 1}
    assert summary["requests_a_second"] == pytest.approx(10.1)
    assert summary["p50_ms"] == pytest.approx(51)
    assert summary["p95_ms"] == pytest.approx(96)
    with pytest.raises(bench.BenchmarkError, match="only 1"):
        bench.summary([("a", 200, 1.0), ("a", 500, 1.0)], 10)


def test_a_request_is_one_that_the_service_answers(bench):
    """Each of them, byte for byte as it is sent."""
    from tests.serve_client import child

    with child("--workers", "1", presets=()) as (_, address):
        port = int(address.rpartition(":")[2])

        async def ask():
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            found = []
            for kind in bench.KINDS:
                for request in bench.requests(kind):
                    found.append(await bench._answer(reader, writer, request))
            writer.close()
            return found

        assert asyncio.run(ask()) == [200] * 9


@pytest.mark.proof
def test_a_short_run_is_kept(bench, tmp_path):
    out = tmp_path / "serve.json"
    app = bench.typer.Typer()
    app.command()(bench.main)
    options = ["--seconds", "4", "--each-seconds", "1", "--clients", "4"]
    options += ["--warm-up", "1", "--most-mib", "500", "--json", str(out)]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 0, result.output
    kept = json.loads(out.read_text())
    for name, keys in RESULT.items():
        assert set(kept[name]) == keys
    assert set(kept["minute"]["statuses"]) <= {"200", "429"}
    assert len(kept["minute"]["resident_bytes"]) >= 2
