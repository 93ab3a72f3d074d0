"""Measures a speech preset, as a device runs it, on recorded speech.

    python train/evaluate_asr.py --preset asr \
        --data $KERAS_SELFATTN_DATA/speech \
        --set speechocean762:test --set fsdd:test

The `.tflite` is run by `keras_selfattn.runtime` (LiteRT, one thread), as
`keras-selfattn transcribe` does. Each `--set CORPUS:SPLIT` is a folder with a
`manifest.tsv`. Both sides are normalised by `normalize_transcript`, and digits
that a model writes spelled out (`spoken_numbers.readings`); rates are over all
words and characters of a set, not means over utterances.

`--update-metrics` enters the figures, with the sha256 of the file and this
command, into the preset's metrics.json, from which `train/report.py` writes
the tables. `--compare OTHER` runs OTHER (a preset or .tflite, or `keras`: the
preset's own weights in Keras on the backend of KERAS_BACKEND) on the same
files and counts the utterances whose tokens are all equal.

`--stream` runs the file's `stream` instead, chunk by chunk, and hears each
recording again at its end: rates of both passes, latencies, real-time factors
(`stream_evaluation.py`). `--compare keras` then holds the first pass against
the weights under chunk masks (a long recording that the stream cuts at a pause,
where it begins anew, differs), and `--compare PRESET` says what full context
hears otherwise. With `--update-metrics`, its rates go into the entries of whole
recordings.

`--lm` and `--grammar` search as the options of `transcribe` do; what they find
stands in metrics.json beside what is heard without.
"""

import json
from pathlib import Path
from typing import Annotated

import typer
from evaluation import (
    MODEL,
    DataOption,
    FileOption,
    LimitOption,
    PresetOption,
    SetOptions,
    UpdateOption,
    command_line,
    measure_all,
    show,
    user_errors,
    wide_console,
)
from preset_metrics import (
    EvaluationError,
    Source,
    check_update,
    find_source,
    keras_task,
    parse_set,
    read_metrics,
    update_metrics,
)
from rich.markup import escape
from stream_evaluation import (
    STREAM_COLUMNS,
    StreamedFile,
    metrics_of_streams,
    stream_figures,
)

from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.data.corpora import read_manifest
from keras_selfattn.metrics.error_rate import ErrorRate, closest
from keras_selfattn.preprocessing.spoken_numbers import readings
from keras_selfattn.preprocessing.transcripts import normalize_transcript
from keras_selfattn.runtime import SpeechSearch, metadata
from keras_selfattn.runtime.dictation_transcriber import open_transcriber
from keras_selfattn.runtime.preset_folder import sha256
from keras_selfattn.runtime.speech_search import preset_language_model

SCRIPT = "train/evaluate_asr.py"
DATA = "$KERAS_SELFATTN_DATA/speech"


def read_set(data: Path, named: str, limit: int | None) -> list:
    """Reads the utterances of a CORPUS:SPLIT, the first `limit` of them."""
    corpus, split = parse_set(named)
    examples = read_manifest(data / corpus, split)
    if not examples:
        raise EvaluationError(f"--set {named} has no utterances.")
    return examples[:limit]


def measure(transcriber, examples, other=None, advance=None) -> dict:
    """Transcribes every example and counts errors.

    Args:
        transcriber: has `transcribe(path)` that gives text, token_ids,
            duration_s and real_time_factor (a `runtime.Transcriber`).
        examples: list of `SpeechExample`.
        other: None, or a function of a path that gives token ids to compare.
        advance: None, or a function called after each example.

    Returns:
        dict of counts, rates, the real-time factor, and one entry per
        utterance under "texts".
    """
    errors = ErrorRate()
    texts, unequal = [], []
    audio_s = compute_s = 0.0
    for example in examples:
        heard = transcriber.transcribe(example.path)
        reference = normalize_transcript(example.text)
        hypothesis = closest(reference, readings(heard.text))
        errors.update(reference, hypothesis)
        texts.append(
            {
                "file": example.path.name,
                "reference": reference,
                "hypothesis": hypothesis,
            }
        )
        audio_s += heard.duration_s
        compute_s += heard.duration_s * heard.real_time_factor
        if other is not None:
            expected = [int(token) for token in heard.token_ids]
            found = [int(token) for token in other(example.path)]
            if found != expected:
                unequal.append(example.path.name)
        if advance is not None:
            advance()
    result = {
        **errors.result(),
        "characters": errors.characters.reference_length,
        "audio_s": audio_s,
        "real_time_factor": compute_s / audio_s,
        "texts": texts,
    }
    if other is not None:
        result["equal"] = len(examples) - len(unequal)
        result["unequal"] = unequal
    return result


def speech_search(
    lm: str | None, grammar: Path | None, source: Source
) -> SpeechSearch | None:
    """Returns the search of `transcribe --lm` or `--grammar`, if one is named.

    Raises:
        EvaluationError: both are named.
    """
    if lm and grammar:
        raise EvaluationError(
            "A grammar takes no language model: leave out --lm or --grammar."
        )
    if grammar:
        return SpeechSearch(grammar=grammar)
    if lm == "preset":
        lm = preset_language_model(source.folder or source.file)
    return SpeechSearch(language_model=lm) if lm else None


class SearchedFile:
    """Hears files whole, with a search or without.

    Args:
        file: path of a .tflite file.
        search: `SpeechSearch`, or None.
    """

    def __init__(self, file: Path, search=None):
        self._transcriber = open_transcriber(file, num_threads=1)
        self._search = search

    def transcribe(self, path: Path):
        """Returns the `Transcript` of a file."""
        return self._transcriber.transcribe(path, search=self._search)


def tokens_of(other: str, source: Source, stream: bool = False):
    """Returns the function of a path whose tokens are to be compared."""
    if other == "keras":
        task, options = keras_task(source), {}
        if stream:  # chunks of the file, which may be others than the preset's
            about = metadata.read(source.file)["stream"]
            options = {"chunk_frames": about["chunk_frames"]}
        return lambda path: task.transcribe(path, details=True, **options)[
            "token_ids"
        ]
    transcriber = open_transcriber(find_source(other).file, num_threads=1)
    return lambda path: transcriber.transcribe(path).token_ids


def metrics_entry(
    named: str, result: dict, file: Path, sha: str, command: str, searched: dict
) -> dict:
    """Returns what metrics.json keeps of one measured set.

    `searched` says how, where more was asked than the best tokens: `beam` or
    `grammar`. `update_metrics` keeps such an entry beside the one without.
    """
    corpus, split = parse_set(named)
    return {
        **searched,
        "dataset": corpus,
        "split": split,
        "utterances": result["utterances"],
        "words": result["words"],
        "wer": round(result["wer"], 6),
        "cer": round(result["cer"], 6),
        "file": file.name,
        "file_sha256": sha,
        "command": command,
    }


def equal(result: dict) -> str | None:
    """The cell of the table that tells what `--compare` found."""
    if "equal" in result:
        return f"{result['equal']}/{result['utterances']}"
    return None


COLUMNS = {
    "utterances": lambda result: str(result["utterances"]),
    "words": lambda result: str(result["words"]),
    "WER %": lambda result: f"{100 * result['wer']:.2f}",
    "CER %": lambda result: f"{100 * result['cer']:.2f}",
    "subs": lambda result: str(result["substitutions"]),
    "del": lambda result: str(result["deletions"]),
    "ins": lambda result: str(result["insertions"]),
    "real-time factor": lambda result: f"{result['real_time_factor']:.4f}",
    "equal tokens": equal,
}


def main(
    sets: SetOptions,
    data: DataOption,
    preset: PresetOption = "asr",
    file: FileOption = MODEL,
    lm: Annotated[
        str | None,
        typer.Option(
            help="Search with this language model, or with the `preset`'s."
        ),
    ] = None,
    grammar: Annotated[
        Path | None,
        typer.Option(help="Only what this JSGF file allows comes out."),
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(help="Preset, .tflite or `keras` to compare tokens with."),
    ] = None,
    stream: Annotated[
        bool, typer.Option(help="Hear chunk by chunk, by `stream`.")
    ] = False,
    limit: LimitOption = None,
    json_out: Annotated[
        Path | None,
        typer.Option("--json", help="Keep the figures and all texts here."),
    ] = None,
    update: UpdateOption = False,
) -> None:
    """Prints WER, CER and speed of a preset on CORPUS:SPLIT sets."""
    console = wide_console()
    with user_errors():
        source = find_source(preset, file)
        check_update(update, limit, source)
        examples = {named: read_set(data, named, limit) for named in sets}
        search = speech_search(lm, grammar, source)
        if stream and search:
            raise EvaluationError(
                "--lm and --grammar are measured on whole recordings: leave "
                "out --stream."
            )
        other = tokens_of(compare, source, stream) if compare else None
        transcriber = SearchedFile(source.file, search)

        def measured(_, spoken, advance):
            if not stream:
                return measure(transcriber, spoken, other, advance)
            streamed = StreamedFile(source.file)
            result = measure(streamed, spoken, other, advance)
            return {**result, **stream_figures(streamed, result)}

        results = measure_all(examples, measured)
    sha = sha256(source.file)
    title = f"{source.file.name}, sha256 {sha[:12]}"
    show(results, title, COLUMNS, console)
    if stream:
        show(results, "latencies and second pass", STREAM_COLUMNS, console)
    for named, result in results.items():
        if result.get("unequal"):
            first = ", ".join(result["unequal"][:5])
            console.print(f"{named}: tokens differ on {escape(first)}")
    command = command_line(SCRIPT, DATA, preset, sets, file)
    command += " --stream" * stream
    searched = {}
    if lm:
        command += f" --lm {lm}"
        searched["beam"] = search.beam
    if grammar:
        command += f" --grammar {grammar}"
        searched["grammar"] = str(grammar)
    entries = [
        metrics_entry(named, result, source.file, sha, command, searched)
        for named, result in results.items()
    ]
    if json_out:
        text = json.dumps({"results": results}, indent=1, ensure_ascii=False)
        write_atomically(json_out, text + "\n")
    if update:
        with user_errors():
            if stream:
                kept = read_metrics(source.folder)["results"]
                entries = metrics_of_streams(entries, results, kept, command)
        typer.echo(f"wrote {update_metrics(source.folder, entries)}", err=True)


if __name__ == "__main__":
    typer.run(main)
