"""Simulated rooms decay as asked and start at the direct path."""

import numpy as np
import pytest

from keras_selfattn.data.rooms import measure_t60, simulate_rooms

pytest.importorskip("pyroomacoustics")


def test_a_rooms_decay_is_measured():
    time_s = np.arange(16000) / 16000
    response = np.exp(-np.log(1000) * time_s / 0.4)  # -60 dB after 0.4 s
    assert measure_t60(response) == pytest.approx(0.4, abs=0.002)


@pytest.mark.parametrize("t60_s", [0.2, 0.35])
def test_rooms_decay_as_asked_after_the_direct_path(t60_s):
    rooms = simulate_rooms(4, seed=1, t60_seconds=(t60_s, t60_s))
    assert len(rooms) == 4
    for room in rooms:
        assert room.dtype == np.float32
        assert room[0] == np.max(np.abs(room)) == 1.0
        assert measure_t60(room) == pytest.approx(t60_s, rel=0.25)
        assert np.abs(room[1600:]).max() > 0.0  # not the direct path alone


def test_a_seed_gives_its_rooms_again_and_another_gives_others():
    first = simulate_rooms(2, seed=3, t60_seconds=(0.2, 0.3))
    again = simulate_rooms(2, seed=3, t60_seconds=(0.2, 0.3))
    other = simulate_rooms(2, seed=4, t60_seconds=(0.2, 0.3))
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(first[0], first[1])


@pytest.mark.parametrize(
    "arguments, reason",
    [
        ({"count": 0}, "at least one room"),
        ({"count": 1, "t60_seconds": (0.01, 0.3)}, "0.1 to 2.0"),
        ({"count": 1, "t60_seconds": (0.5, 0.3)}, "0.1 to 2.0"),
    ],
)
def test_absurd_rooms_are_refused(arguments, reason):
    with pytest.raises(ValueError, match=reason):
        simulate_rooms(**arguments)
