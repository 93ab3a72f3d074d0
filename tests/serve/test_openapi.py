"""The service's own description, held against the service."""

import json

import pytest

from keras_selfattn.serve.openapi import document
from tests.serve_client import PRESETS, child, settings


def test_every_route_is_described_and_nothing_else(client):
    described = client.get("/openapi.json").json()
    assert described == json.loads(json.dumps(document(settings())))
    routes = {
        route.path.replace("{name:path}", "{model}"): route.methods - {"HEAD"}
        for route in client.app.routes
        if getattr(route, "methods", None)
    }
    shown = {
        path: methods
        for path, methods in routes.items()
        if path not in ("/", "/openapi.json") and "/page/" not in path
    }
    assert {
        path: {method.upper() for method in operations}
        for path, operations in described["paths"].items()
    } == shown


def test_a_token_is_described_where_there_is_one():
    described = document(settings(token="sesame"))
    assert described["security"] == [{"bearer": []}]
    assert "sesame" not in json.dumps(described)
    assert described["paths"]["/healthz"]["get"]["security"] == []
    assert "401" in described["paths"]["/v1/models"]["get"]["responses"]
    names = [
        operation["operationId"]
        for operations in described["paths"].values()
        for operation in operations.values()
    ]
    assert len(names) == len(set(names))


@pytest.mark.proof
def test_generated_requests_get_what_is_promised(
    tmp_path, texts_folder, exported_masked_lm
):
    """Schemathesis: a thousand and more, by the description alone."""
    pytest.importorskip("schemathesis", reason="needs schemathesis")
    import subprocess
    import sys

    options = ("--workers", "1", "--search-folder", texts_folder)
    presets = [*PRESETS, exported_masked_lm[1]]
    with child(*options, presets=presets) as (process, address):
        found = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run"]
            + [f"{address}/openapi.json", "--max-examples", "100"]
            + ["--seed", "1", "--request-timeout", "20", "--workers", "1"]
            + ["--exclude-checks", "positive_data_acceptance"]
            + ["--generation-database", "none"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=900,
        )
        assert found.returncode == 0, found.stdout[-6000:] + found.stderr
        assert process.poll() is None
