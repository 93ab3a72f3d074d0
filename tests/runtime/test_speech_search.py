"""`SpeechSearch`: one object for whole recordings and for streams."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from keras_selfattn import zoo
from keras_selfattn.decoding import jsgf, kneser_ney, ngram_file
from keras_selfattn.preprocessing.audio import read_audio
from keras_selfattn.runtime import (
    PresetError,
    SpeechSearch,
    StreamingTranscriber,
    Transcriber,
)
from keras_selfattn.runtime.speech_search import (
    LANGUAGE_MODEL,
    preset_language_model,
    read_spellings,
)
from tests.decoding.letter_frames import LETTERS, written
from tests.tones import RATE_HZ, spoken_tones

GOLDEN = Path(__file__).parents[1] / "golden"
TINY, STREAM = GOLDEN / "tiny_asr", GOLDEN / "tiny_stream"
FRAME_SECONDS = 0.04


@pytest.fixture(scope="module")
def transcriber():
    return Transcriber(TINY)


@pytest.fixture(scope="module")
def model():
    lines = [line.split() for line in ("abc ca bab", "abc bab", "ca abc bab")]
    return kneser_ney.train(lines, 2)


def found_in(search, text, **options):
    piece = search.begin(LETTERS, FRAME_SECONDS)
    frames = written(text, **options)
    for start in range(0, len(frames), 4):
        piece.feed(frames[start : start + 4])
    return piece.finish()


def test_a_beam_finds_what_the_best_tokens_say(transcriber):
    sample = TINY / "sample.wav"
    greedy = transcriber.transcribe(sample)
    found = transcriber.transcribe(sample, search=SpeechSearch())
    assert greedy.alternatives == [] and greedy.command is None
    assert found.text == greedy.text
    assert found.token_ids == greedy.token_ids
    assert [w["word"] for w in found.words] == greedy.text.split()
    for one, other in zip(found.words, greedy.words, strict=True):
        assert one["start_s"] == pytest.approx(other["start_s"], abs=0.08)
        assert one["confidence"] == pytest.approx(other["confidence"], abs=0.1)
    assert found.alternatives[0]["text"] == found.text
    again = json.loads(found.json("x.wav"))
    assert "command" not in again and again["alternatives"]


def test_n_best_come_with_falling_scores():
    found = found_in(SpeechSearch(num_best=5), "the dog", sure=0.7)
    scores = [one["score"] for one in found.alternatives]
    assert len(scores) == 5 and scores == sorted(scores, reverse=True)
    assert len({one["text"] for one in found.alternatives}) == 5
    assert found.text == found.alternatives[0]["text"] == "the dog"


def test_a_language_model_and_phrases_change_the_text(model, tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(ngram_file.to_bytes(model))
    for language_model in (model, path, str(path)):
        search = SpeechSearch(language_model=language_model, lm_weight=1.0)
        assert found_in(search, "abd ca bab", sure=0.6).text == "abc ca bab"
    assert found_in(SpeechSearch(), "abd ca bab", sure=0.6).text == "abd ca bab"


@pytest.mark.parametrize("phrases", ["zoe", ["zoe"], {"zoe": 0.5}, ()])
def test_a_name_is_heard_where_it_is_likely(phrases):
    search = SpeechSearch(phrases=phrases, phrase_bonus=2.0)
    piece = search.begin(LETTERS, FRAME_SECONDS)
    piece.feed(
        np.logaddexp(
            written("hi zae") + np.log(0.7), written("hi zoe") + np.log(0.3)
        )
    )
    assert piece.finish().text == ("hi zoe" if phrases else "hi zae")


def test_words_have_times_and_confidences():
    found = found_in(SpeechSearch(), "to be", sure=0.9)
    first, second = found.words
    assert (first["word"], second["word"]) == ("to", "be")
    assert first["start_s"] == 0.0
    assert second["start_s"] == pytest.approx(6 * FRAME_SECONDS)
    assert first["confidence"] == pytest.approx(0.9)


def test_a_grammar_gives_slots_or_nothing():
    search = SpeechSearch(grammar=jsgf.word_list(["lights on", "lights off"]))
    found = found_in(search, "lits on")
    assert found.text == "lights on" and found.command["accepted"]
    assert [w["word"] for w in found.words] == ["lights", "on"]
    assert 0 < found.words[0]["confidence"] <= 1
    refused = found_in(search, "what a lovely day")
    assert (refused.text, refused.words) == ("", [])
    assert not refused.frames.any()
    assert refused.command["accepted"] is False
    assert refused.command["slots"] == {}
    assert refused.command["score"] < search.least_score
    assert refused.alternatives[0]["text"] in ("lights on", "lights off")
    lists = SpeechSearch(grammar=["lights on", "lights off"])
    assert found_in(lists, "lits on").text == "lights on"
    empty = search.begin(LETTERS, FRAME_SECONDS).finish()
    assert empty.command == {"accepted": False, "slots": {}, "score": None}


def test_a_grammar_from_a_file_with_spellings(tmp_path):
    grammar = tmp_path / "g.jsgf"
    grammar.write_text(
        "#JSGF V1.0;\ngrammar g;\npublic <r> = (yes | no) {answer};"
    )
    spellings = tmp_path / "g.spellings"
    spellings.write_text("# heard\nyes: jas, ye s\n\nyes: ias\n")
    assert read_spellings(spellings) == {"yes": ["jas", "ye s", "ias"]}
    search = SpeechSearch(grammar=grammar, spellings=spellings)
    found = found_in(search, "ias")
    assert found.command["slots"] == {"answer": "yes"}
    assert found.command["score"] > -0.1
    # A transcript of it is JSON as it is.
    json.dumps([found.words, found.command, found.alternatives])


def test_a_grammar_is_compiled_once_for_a_vocabulary(monkeypatch):
    search = SpeechSearch(grammar=["yes"])
    one = search.begin(LETTERS, FRAME_SECONDS)
    other = search.begin(list(LETTERS), FRAME_SECONDS)
    assert one._grammar_search is other._grammar_search
    smaller = search.begin(["<blank>", *"yes"], FRAME_SECONDS)
    assert smaller._grammar_search is not one._grammar_search
    # What began with the first goes on with it.
    one.feed(written("yes"))
    assert one.finish().text == "yes"


def test_a_stream_searches_as_it_hears(model):
    samples = read_audio(STREAM / "sample.wav")
    stream = StreamingTranscriber(STREAM, search=SpeechSearch())
    texts = [
        stream.feed(samples[start : start + 2560])
        for start in range(0, len(samples), 2560)
    ]
    found = stream.finish()
    assert found.text == "abc ca bab" and found.alternatives
    assert [w["word"] for w in found.words] == ["abc", "ca", "bab"]
    assert len(set(texts)) > 5
    guided = StreamingTranscriber(
        STREAM, search=SpeechSearch(language_model=model, lm_weight=0.3)
    )
    guided.feed(samples)
    assert guided.finish().text == "abc ca bab"


def test_a_grammar_answers_at_each_segments_end():
    search = SpeechSearch(grammar=["abc", "cab bac"])
    stream = StreamingTranscriber(STREAM, search=search)
    silence = np.zeros(int(1.6 * RATE_HZ), "float32")
    for text in ("abc", "bbbbbbbb", "cab bac"):
        stream.feed(np.concatenate([spoken_tones(text), silence]))
    first, second, third = stream.take_segments()
    assert (first.text, third.text) == ("abc", "cab bac")
    assert second.text == "" and second.command["accepted"] is False
    assert third.words[0]["start_s"] > first.words[-1]["end_s"] + 2


def test_a_second_pass_searches_too():
    search = SpeechSearch(grammar=["abc", "cab bac"])
    stream = StreamingTranscriber(STREAM, second_pass=True, search=search)
    silence = np.zeros(int(1.6 * RATE_HZ), "float32")
    for text in ("abc", "bbbbbbbb"):
        stream.feed(np.concatenate([spoken_tones(text), silence]))
    first, second = stream.take_segments()
    assert first.text == "abc" and first.command["accepted"]
    assert first.alternatives[0]["text"] == "abc"
    assert second.text == "" and second.command["accepted"] is False


def test_a_snapshot_goes_on_with_its_search():
    samples = read_audio(STREAM / "sample.wav")
    stream = StreamingTranscriber(STREAM, search=SpeechSearch())
    stream.feed(samples[:20000])
    other = StreamingTranscriber(STREAM, search=SpeechSearch())
    other.restore(stream.snapshot())
    for one in (stream, other):
        one.feed(samples[20000:])
    assert other.finish().text == stream.finish().text == "abc ca bab"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam": 0}, "beam=0"),
        ({"num_best": 0}, "num_best=0"),
        ({"grammar": ["a"], "phrases": ["b"]}, "A grammar says alone"),
        ({"spellings": {"a": ["b"]}}, "spellings are of a grammar"),
        ({"grammar": "none.jsgf"}, "none.jsgf cannot be read"),
        ({"language_model": "none.bin"}, "none.bin cannot be read"),
        ({"grammar": ["a"], "spellings": "none"}, "none cannot be read"),
    ],
)
def test_options_that_cannot_be_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        SpeechSearch(**options)


@pytest.mark.parametrize("line", ["yes jas", ": jas", "yes:", "yes: a,,b"])
def test_a_line_of_another_form_is_named(line, tmp_path):
    path = tmp_path / "s"
    path.write_text(f"# remark\n{line}\n")
    with pytest.raises(ValueError, match="s, line 2: expected `word:"):
        read_spellings(path)


def test_the_language_model_of_a_preset(home, model):
    folder = home / "asr" / "tiny_asr"
    with pytest.raises(PresetError, match=f"has no {LANGUAGE_MODEL}"):
        preset_language_model(folder)
    (folder / LANGUAGE_MODEL).write_bytes(b"unlisted")
    with pytest.raises(PresetError, match="lists no file"):
        preset_language_model(folder)


def test_the_shipped_language_model_knows_english():
    folder = zoo.resolve("asr")
    model = ngram_file.open_model(preset_language_model(folder))
    assert model.order == 3
    sentence = "the girl is playing in the park".split()
    assert model.sentence(sentence) > model.sentence(sentence[::-1]) + 10
    total = sum(
        math.exp(model.score(model.start, model.words[number])[0])
        for number in range(len(model.words))
        if model.words[number] != "<s>"
    )
    # Exactly one before each probability became one byte.
    assert total == pytest.approx(1.0, abs=0.06)
    search = SpeechSearch(language_model=model)
    found = Transcriber(folder).transcribe(folder / "sample.wav", search=search)
    assert found.text == " ".join(sentence)
