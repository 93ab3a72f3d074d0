"""Impulse responses of simulated rooms, for `Augmenter(rooms=...)`.

`pyroomacoustics` computes them; it comes with the `train` extra.
"""

import numpy as np

_LARGEST_REDRAWS = 50
_TOLERANCE = 0.2


def simulate_rooms(
    count,
    sampling_rate_hz=16000,
    seed=0,
    t60_seconds=(0.15, 0.6),
):
    """Impulse responses of box-shaped rooms with a speaker and a microphone.

    Each room's size, reverberation time and two places are drawn at random;
    the image-source method gives the response. Sabine's formula, by which
    the walls' absorption is chosen, is off by a third in long rooms, so the
    absorption is corrected once by what was measured of the response, and a
    room that is still a fifth away is drawn again.

    Reference: Allen and Berkley 1979, Image method for efficiently
    simulating small-room acoustics.

    Args:
        count: int. Number of rooms.
        sampling_rate_hz: int. Defaults to 16000.
        seed: int. The same seed gives the same rooms.
        t60_seconds: (low, high). Time in which sound decays by 60 decibels,
            uniform. Defaults to (0.15, 0.6).

    Returns:
        list of float32 arrays, of different lengths. The direct path is
        sample 0 and 1.0.

    Raises:
        ImportError: `pyroomacoustics` is not installed.
        ValueError: no rooms, or a time outside 0.1 to 2 seconds.

    Example:
    ```python
    augmenter = Augmenter(rooms=simulate_rooms(50), room_probability=0.3)
    ```
    """
    low, high = t60_seconds
    if count < 1:
        raise ValueError(f"count={count}; expected at least one room.")
    if not 0.1 <= low <= high <= 2.0:
        raise ValueError(
            f"t60_seconds={t60_seconds}; expected (low, high), 0.1 to 2.0."
        )
    generator = np.random.default_rng(seed)
    rooms = []
    for _ in range(count):
        wanted = generator.uniform(low, high)
        rooms.append(_draw_room(wanted, sampling_rate_hz, generator))
    return rooms


def measure_t60(response, sampling_rate_hz=16000):
    """Seconds in which a response's remaining energy falls by 60 decibels.

    Schroeder's backward integration, from -5 to -25 decibels, times three.
    """
    left = np.cumsum(np.square(response[::-1], dtype="float64"))[::-1]
    level_db = 10.0 * np.log10(left / left[0] + 1e-30)
    start = int(np.argmax(level_db <= -5.0))
    end = int(np.argmax(level_db <= -25.0))
    return 3.0 * (end - start) / sampling_rate_hz


def _draw_room(t60_s, sampling_rate_hz, generator):
    for _ in range(_LARGEST_REDRAWS):
        size_m = generator.uniform([3.0, 3.0, 2.4], [9.0, 7.0, 3.5])
        places_m = generator.uniform(0.4, size_m - 0.4, (2, 3))
        distance_m = np.linalg.norm(places_m[0] - places_m[1])
        if not 0.3 <= distance_m <= 4.0:
            continue
        asked_s = t60_s
        for _ in range(2):
            response = _response(size_m, places_m, asked_s, sampling_rate_hz)
            if response is None:
                break
            measured_s = measure_t60(response, sampling_rate_hz)
            if abs(measured_s / t60_s - 1.0) <= _TOLERANCE:
                return response[: int(1.2 * t60_s * sampling_rate_hz)]
            asked_s *= t60_s / max(measured_s, 0.05)
    raise ValueError(
        f"no room that decays in {t60_s:.2f} seconds was found in "
        f"{_LARGEST_REDRAWS} draws; ask for 0.15 seconds or more."
    )


def _response(size_m, places_m, t60_s, sampling_rate_hz):
    """float32 response from its direct path on; None: no walls are so soft."""
    try:
        import pyroomacoustics
    except ImportError as error:
        raise ImportError(
            "simulated rooms need pyroomacoustics; install it with "
            "pip install keras-selfattn[train]."
        ) from error

    try:
        absorption, order = pyroomacoustics.inverse_sabine(t60_s, size_m)
    except ValueError:
        return None
    room = pyroomacoustics.ShoeBox(
        size_m,
        fs=sampling_rate_hz,
        materials=pyroomacoustics.Material(absorption),
        max_order=order,
    )
    room.add_source(places_m[0])
    room.add_microphone(places_m[1])
    room.compute_rir()
    response = room.rir[0][0]
    direct = int(np.argmax(np.abs(response)))
    lead = pyroomacoustics.constants.get("frac_delay_length") // 2
    distance_m = np.linalg.norm(places_m[0] - places_m[1])
    speed = pyroomacoustics.constants.get("c")
    expected = lead + distance_m / speed * sampling_rate_hz
    if abs(direct - expected) > 2:  # an echo is louder than the direct path
        return None
    return (response[direct:] / response[direct]).astype("float32")
