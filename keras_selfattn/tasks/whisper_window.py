"""A Whisper that hears less at once."""

import math

from keras_selfattn.weight_copies import value_of


def shorter(task, seconds):
    """See `WhisperRecognizer.with_window`.

    Args:
        task: WhisperRecognizer.
        seconds: float.

    Raises:
        ValueError: a length that the model cannot have.
    """
    most = task.whisper.max_frames
    frame_samples = task.max_samples // most
    frames = round(seconds * task.sampling_rate_hz / frame_samples, 6)
    if frames != int(frames) or not 1 <= frames <= most:
        raise ValueError(
            f"A window of {seconds} s; expected a multiple of "
            f"{frame_samples / task.sampling_rate_hz} s, at most "
            f"{task.window_seconds} s, which are what the model hears."
        )
    config = task.task_config()
    config["whisper"]["config"]["max_frames"] = int(frames)
    room = task.max_new_tokens * int(frames) / most
    config["max_new_tokens"] = math.ceil(room)
    found = type(task)(**config)
    for new, old in zip(found.weights, task.weights, strict=True):
        value = value_of(old)
        new.assign(value[: new.shape[0]] if new.shape else value)
    return found
