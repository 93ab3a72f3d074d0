import json

import pytest

from keras_selfattn.serve.service_error import ServiceError


@pytest.mark.parametrize(
    "status, kind",
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (429, "rate_limit_error"),
        (503, "server_error"),
    ],
)
def test_openai_s_clients_read_it(status, kind):
    error = ServiceError(status, "No.", "a_code", "q", {"Retry-After": "3"})
    response = error.response()
    assert response.status_code == status
    assert response.headers["retry-after"] == "3"
    assert json.loads(response.body) == {
        "error": {
            "message": "No.",
            "type": kind,
            "param": "q",
            "code": "a_code",
        }
    }


def test_libretranslate_s_clients_read_it():
    assert ServiceError(400, "No.").body("/translate") == {"error": "No."}
