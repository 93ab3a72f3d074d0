import pytest

from keras_selfattn.serve import request_fields
from keras_selfattn.serve.service_error import ServiceError
from tests.serve_client import settings


def refusal(function, *arguments):
    with pytest.raises(ServiceError) as caught:
        function(*arguments)
    return caught.value.status, caught.value.param


@pytest.mark.parametrize(
    "value", ["", [], 3, None, ["a", 3], {"a": 1}, [["a"]]]
)
def test_texts_are_texts(value):
    fields = {} if value is None else {"q": value}
    if value == "":
        assert request_fields.texts(fields, "q", settings()) == ([""], False)
    else:
        found = refusal(request_fields.texts, fields, "q", settings())
        assert found == (400, "q")


def test_texts_have_limits():
    limited = settings(max_texts=2, max_characters=10)
    assert request_fields.texts({"q": ["a", "b"]}, "q", limited)[1]
    for value in (["a"] * 3, "a" * 11, ["a" * 6] * 2):
        found = refusal(request_fields.texts, {"q": value}, "q", limited)
        assert found == (413, "q")


def test_a_lone_surrogate_is_no_text():
    found, _ = request_fields.texts({"q": "a\ud800"}, "q", settings())
    assert found == ["a?"]


def test_flags_numbers_and_choices():
    fields = {"a": True, "b": "false", "c": 3, "d": "4", "e": None}
    assert request_fields.flag(fields, "a") is True
    assert request_fields.flag(fields, "b") is False
    assert request_fields.flag(fields, "e") is False
    assert request_fields.integer(fields, "c", 1, 1, 8) == 3
    assert request_fields.integer(fields, "d", 1, 1, 8) == 4
    assert request_fields.integer(fields, "e", 1, 1, 8) == 1
    for value in (1, 0, "yes", [], 1.0):
        assert refusal(request_fields.flag, {"a": value}, "a")[0] == 400
    for value in (0, 9, 1.5, True, "9" * 5000, "²", "", [], "-1"):
        found = refusal(request_fields.integer, {"a": value}, "a", 1, 1, 8)
        assert found == (400, "a")
    for value in ("c", 3, ["a"]):
        found = refusal(
            request_fields.choice, {"a": value}, "a", "a", ("a", "b")
        )
        assert found == (400, "a")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"NaN",
        b'{"input": NaN}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_what_is_no_json_object_is_refused(client, body):
    answer = client.post(
        "/v1/classify",
        content=body,
        headers={"Content-Type": "application/json; charset=utf-8"},
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_json"


@pytest.mark.parametrize(
    "kind", ["text/plain", "", "application/xml", "a b;;="]
)
def test_other_media_types_are_refused(client, kind):
    answer = client.post(
        "/v1/classify", content=b"{}", headers={"Content-Type": kind}
    )
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "kind, body",
    [
        ("multipart/form-data", b"no boundary is named"),
        ("multipart/form-data; boundary=", b"--\r\n"),
        ("multipart/form-data; boundary=a", b"--b\r\n\r\n--b--"),
        ("multipart/form-data; boundary=a", b"--a\r\nContent-Dis"),
        ("multipart/form-data; boundary=a", b"--a\r\n\r\nx\r\n--a--\r\n"),
        (
            "multipart/form-data; boundary=a",
            b"--a\r\nContent-Disposition: form-data; x=y\r\n\r\nx\r\n--a--\r\n",
        ),
        (
            "multipart/form-data; boundary=a",
            b'--a\r\nContent-Disposition: form-data; name="f"\r\n\r\nx\r\n' * 60
            + b"--a--\r\n",
        ),
    ],
)
@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/translate"])
def test_broken_forms_are_refused(client, path, kind, body):
    answer = client.post(path, content=body, headers={"Content-Type": kind})
    assert answer.status_code == 400
