import pytest

from keras_selfattn.serve.settings import Settings


@pytest.mark.parametrize(
    "changes",
    [
        {"workers": 0},
        {"batch_size": 1.5},
        {"queue_size": 0},
        {"max_texts": True},
        {"time_limit_s": 0},
        {"body_seconds": -1},
        {"batch_wait_ms": -1},
        {"max_streams": -1},
        {"token": ""},
        {"token": " a"},
    ],
)
def test_what_cannot_work_is_refused_at_the_start(changes):
    (name,) = changes
    with pytest.raises(ValueError, match=name):
        Settings(**changes)


def test_the_defaults_work_and_are_for_this_machine_alone():
    settings = Settings()
    assert settings.token is None
    assert "sesame" not in repr(Settings(token="sesame"))
    assert set(settings.hosts) == {"127.0.0.1", "localhost", "[::1]"}
