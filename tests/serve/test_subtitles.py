import math

from keras_selfattn.serve import subtitles


def word(text, start, end, confidence=0.5):
    return {
        "word": text,
        "start_s": start,
        "end_s": end,
        "confidence": confidence,
    }


def transcript(*words, **more):
    return {
        "text": " ".join(w["word"] for w in words),
        "words": list(words),
        "tokens": [
            {"id": i + 1, "time_s": w["start_s"]} for i, w in enumerate(words)
        ],
        "confidence": 0.5,
        "duration_s": 20.0,
        **more,
    }


def test_a_pause_a_length_or_a_row_of_letters_ends_a_segment():
    long = "a" * 50
    heard = transcript(
        word("one", 0.0, 0.4),
        word("two", 0.5, 0.9),
        word("three", 2.0, 7.0),
        word("four", 7.2, 8.5),
        word(long, 8.6, 8.7),
        word(long, 8.7, 8.8),
    )
    found = subtitles.segments(heard)
    assert [part["text"] for part in found] == [
        "one two",
        "three",
        f"four {long}",
        long,
    ]
    assert [part["tokens"] for part in found] == [[1, 2], [3], [4, 5], [6]]
    assert [part["id"] for part in found] == [0, 1, 2, 3]
    assert math.isclose(found[0]["avg_logprob"], math.log(0.5))


def test_words_without_times_are_one_segment():
    heard = transcript(confidence=None, text="All of it.", tokens=[{"id": 7}])
    (part,) = subtitles.segments(heard)
    assert (part["start"], part["end"]) == (0.0, 20.0)
    assert (part["text"], part["tokens"]) == ("All of it.", [7])
    assert subtitles.segments(transcript()) == []


def test_subrip_and_webvtt():
    parts = subtitles.segments(
        transcript(word("a<b", 1.0, 1.9996), word("&", 3661.25, 3662.0))
    )
    assert subtitles.srt(parts) == (
        "1\n00:00:01,000 --> 00:00:02,000\na<b\n\n"
        "2\n01:01:01,250 --> 01:01:02,000\n&\n\n"
    )
    assert subtitles.vtt(parts) == (
        "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\na&lt;b\n\n"
        "01:01:01.250 --> 01:01:02.000\n&amp;\n\n"
    )
