import io
import os
import stat
from types import SimpleNamespace

import anyio
import pytest
from starlette.datastructures import UploadFile

from keras_selfattn.serve.answering import Service
from keras_selfattn.serve.served_models import open_models
from keras_selfattn.serve.service_error import ServiceError
from tests.command_line import TINY_TEXT
from tests.serve_client import running, settings, stopped


def test_an_upload_gets_a_name_of_ours(tmp_path):
    service = Service([], settings(), None, None, tmp_path)
    upload = UploadFile(io.BytesIO(b"x" * 600_000), filename="../../a.wav")
    path = anyio.run(service.keep, upload)
    assert path.parent == tmp_path
    assert "a.wav" not in path.name
    assert path.read_bytes() == b"x" * 600_000
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


@pytest.mark.parametrize("status", [400, 413, 500])
def test_what_a_worker_refuses_is_told(tmp_path, status):
    from concurrent.futures import Future

    def submit(name, asked, size):
        future = Future()
        future.set_result((status, "It is wrong."))
        return future

    pool = SimpleNamespace(submit=submit)
    service = Service([], settings(), pool, None, tmp_path)
    (model,) = open_models([TINY_TEXT])

    async def ask():
        await service.answer(model, 1, texts=["a"])

    with pytest.raises(ServiceError) as caught:
        anyio.run(ask)
    assert (caught.value.status, caught.value.message) == (
        status,
        "It is wrong.",
    )


def test_who_waits_too_long_is_told():
    with running(presets=[TINY_TEXT], time_limit_s=0.5) as client:
        pool = client.app.state.service.pool
        with stopped(pool.process_ids):
            answer = client.post("/v1/classify", json={"input": "a film"})
        assert answer.status_code == 504
        assert answer.json()["error"]["code"] == "timeout"
