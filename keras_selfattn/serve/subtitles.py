"""Words with times as segments, SRT and WebVTT."""

import math
import zlib

PAUSE_SECONDS = 0.6
LONGEST_SECONDS = 6.0
MOST_CHARACTERS = 84  # two lines of 42, as broadcasters have them


def segments(transcript):
    """The segments of a transcript, as OpenAI's `verbose_json` has them.

    A segment ends in a pause, after six seconds, or after 84 characters.
    `seek` and `temperature` are 0: nothing is drawn. `no_speech_prob` is 0: it
    is not estimated; a segment has at least a word.

    Args:
        transcript: dict, of `runtime.Transcript.to_dict`.

    Returns:
        list of dict.
    """
    found = []
    words = transcript["words"]
    if not words and transcript["text"]:  # a model that tells no times
        whole = {
            "word": transcript["text"],
            "start_s": 0.0,
            "end_s": transcript["duration_s"],
            "confidence": transcript["confidence"],
        }
        words = [whole]
    for word in words:
        if not found or _ends_before(word, found[-1]):
            found.append([])
        found[-1].append(word)
    return [
        _segment(i, part, transcript["tokens"]) for i, part in enumerate(found)
    ]


def _ends_before(word, part):
    length = len(" ".join(w["word"] for w in part)) + 1 + len(word["word"])
    return (
        word["start_s"] - part[-1]["end_s"] > PAUSE_SECONDS
        or word["end_s"] - part[0]["start_s"] > LONGEST_SECONDS
        or length > MOST_CHARACTERS
    )


def _segment(number, words, tokens):
    start, end = words[0]["start_s"], words[-1]["end_s"]
    text = " ".join(word["word"] for word in words)
    sure = [w["confidence"] for w in words if w["confidence"] is not None]
    logs = [math.log(max(confidence, 1e-30)) for confidence in sure]
    written = text.encode("utf-8")
    return {
        "id": number,
        "seek": 0,
        "start": start,
        "end": end,
        "text": text,
        "tokens": [
            token["id"]
            for token in tokens
            if start <= token.get("time_s", start) < end
        ],
        "temperature": 0.0,
        "avg_logprob": sum(logs) / len(logs) if logs else 0.0,
        "compression_ratio": len(written) / len(zlib.compress(written)),
        "no_speech_prob": 0.0,
    }


def srt(parts):
    """Segments as SubRip text."""
    return "".join(
        f"{part['id'] + 1}\n{_time(part['start'], ',')} --> "
        f"{_time(part['end'], ',')}\n{part['text']}\n\n"
        for part in parts
    )


def vtt(parts):
    """Segments as WebVTT text."""
    cues = "".join(
        f"{_time(part['start'], '.')} --> {_time(part['end'], '.')}\n"
        f"{_escaped(part['text'])}\n\n"
        for part in parts
    )
    return f"WEBVTT\n\n{cues}"


def _escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _time(seconds, point):
    ms = round(1000 * seconds)
    minutes, ms = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{ms // 1000:02}{point}{ms % 1000:03}"
