"""From CTC frames to tokens and words with times. Numpy only.

CTC gives one token id per frame: 0 (the blank) for nothing, and the same id
again while a token lasts. A token is *emitted* at the frame where its run
of equal ids begins. Reference: Graves et al. 2006, Connectionist Temporal
Classification, section 3.2 (best path).

Shape letters: `T` frames, `V` vocabulary.
"""

import numpy as np

WORD_START = "\u2581"  # SentencePiece's mark of a blank before a piece


def checked_frames(log_probabilities, vocabulary_size, dtype="float32"):
    """Log-probabilities of frames as an array.

    Args:
        log_probabilities: float array `(T, V)`.
        vocabulary_size: int, `V`.
        dtype: str, of what is returned.

    Returns:
        float array `(T, V)`.

    Raises:
        ValueError: another shape, or NaN.
    """
    frames = np.asarray(log_probabilities, dtype)
    if frames.ndim != 2 or frames.shape[1] != vocabulary_size:
        raise ValueError(
            f"Received log-probabilities of shape {frames.shape}; expected "
            f"(frames, {vocabulary_size}) by the vocabulary."
        )
    if np.isnan(frames).any():
        raise ValueError("Received log-probabilities that are NaN.")
    return frames


def softened(log_probabilities, other):
    """Probabilities of which a part is shared among all tokens.

    So a letter that was not heard at all costs much, and not everything.

    Args:
        log_probabilities: float array `(T, V)`.
        other: float in [0, 1), that part.

    Returns:
        float array `(T, V)`.
    """
    share = other / log_probabilities.shape[1]
    return (1.0 - other) * np.exp(log_probabilities) + share


def emissions(frame_ids):
    """Keeps each token at the frame where it begins, 0 everywhere else.

    Args:
        frame_ids: int array `(T,)`, the best id of each frame; 0 is blank.

    Returns:
        int32 array `(T,)`.

    Example:
    ```python
    emissions([3, 3, 0, 3, 5, 5])  # [3, 0, 0, 3, 5, 0]
    ```
    """
    frame_ids = _checked_frame_ids(frame_ids)
    begins = np.ones(len(frame_ids), "bool")
    begins[1:] = frame_ids[1:] != frame_ids[:-1]
    return np.where(begins, frame_ids, 0).astype("int32")  # (T,)


def collapse(frame_ids, blank_id=0):
    """The tokens of a best path: runs become one, blanks go.

    Args:
        frame_ids: int array `(T,)`, the best id of each frame.
        blank_id: int. Defaults to 0.

    Returns:
        `(token_ids, frames)`: int32 arrays, the tokens and the frames at
        which they begin.

    Example:
    ```python
    collapse([3, 3, 0, 3, 5, 5])  # [3, 3, 5], [0, 3, 4]
    ```
    """
    frame_ids = _checked_frame_ids(frame_ids)
    begins = np.ones(len(frame_ids), "bool")
    begins[1:] = frame_ids[1:] != frame_ids[:-1]
    frames = np.flatnonzero(begins & (frame_ids != blank_id))
    return frame_ids[frames].astype("int32"), frames.astype("int32")


def words_with_times(emitted, log_probabilities, vocabulary, frame_seconds):
    """Words of an utterance, with times and confidences.

    A word lasts from the frame of its first token to the end of the frames
    in which its last token stays the best one. (CTC peaks: the end of a
    word comes out early rather than late.) Its confidence is the geometric
    mean of the probabilities of its tokens where they are emitted.

    Args:
        emitted: int array `(T,)` as from `emissions`.
        log_probabilities: float array `(T, V)`.
        vocabulary: list of str. A word ends at `" "` (characters) or before
            a piece that starts with U+2581 (SentencePiece).
        frame_seconds: float. Seconds per frame.

    Returns:
        list of dicts with `word`, `start_s`, `end_s`, `confidence`.
    """
    emitted = _checked_frame_ids(emitted)
    log_probabilities = np.asarray(log_probabilities)
    if log_probabilities.shape != (len(emitted), len(vocabulary)):
        raise ValueError(
            f"log_probabilities has shape {log_probabilities.shape}; expected "
            f"{(len(emitted), len(vocabulary))}, frames by vocabulary."
        )
    words, text, frames = [], "", []

    def finish():
        nonlocal text, frames
        if text:
            scores = log_probabilities[frames, emitted[frames]]
            stop = _end_of_run(log_probabilities, frames[-1], emitted)
            words.append(
                {
                    "word": text,
                    "start_s": float(frames[0] * frame_seconds),
                    "end_s": float(stop * frame_seconds),
                    "confidence": float(np.exp(np.mean(scores))),
                }
            )
        text, frames = "", []

    for frame in np.flatnonzero(emitted):
        piece = vocabulary[emitted[frame]]
        if len(piece) > 2 and piece[0] == "<" and piece[-1] == ">":
            continue  # a special token stands for no text
        spaced = piece.replace(WORD_START, " ")
        if spaced.startswith(" "):
            finish()
        # A piece may hold nothing but its blank, or (rarely) several words.
        for number, part in enumerate(spaced.split()):
            if number:
                finish()
            text += part
            frames.append(frame)
        if len(spaced) > 1 and spaced.endswith(" "):
            finish()
    finish()
    return words


def _end_of_run(log_probabilities, frame, emitted):
    """The frame after the last one in which the token at `frame` is best."""
    stop = frame + 1
    while (
        stop < len(emitted)
        and not emitted[stop]
        and log_probabilities[stop].argmax() == emitted[frame]
    ):
        stop += 1
    return stop


def _checked_frame_ids(frame_ids):
    frame_ids = np.asarray(frame_ids)
    if frame_ids.size == 0:
        frame_ids = frame_ids.astype("int32")
    if frame_ids.ndim != 1 or not np.issubdtype(frame_ids.dtype, np.integer):
        raise ValueError(
            f"Received ids of shape {frame_ids.shape} and dtype "
            f"{frame_ids.dtype}; expected integers of shape (frames,), one "
            "utterance."
        )
    return frame_ids
