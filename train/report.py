"""Writes the results tables of README.md, of docs/ and of the model cards.

    python train/report.py            # rewrites what is out of date
    python train/report.py --check    # changes nothing; exit status 1 if stale

Figures live in one place: `zoo/<task>/<preset>/metrics.json` (written by the
evaluation scripts), `benchmarks/results/*.json` (written by the benchmarks)
and `benchmarks/peers.json` (other systems, each with its source). What stands
between `<!-- report:NAME -->` and `<!-- /report -->` is generated from them;
NAME is `results`, `peers`, `benchmark`, `commands`, `wakewords`, `robustness`,
`frontends`, `hybrid`, `scaling` or `rescoring` (speech), `classification` or
`classifiers`, `translation`, `published` or `translators`, `language`,
`answers`, `masked` or `embeddings`, `images` or `imageattention`, `training`,
`serving`, or of the attention family `attention`, `length`, `accuracy` or
`growth`. In a card, `results`, `classification`, `translation`, `language`,
`answers`, `masked`, `embeddings` and `images` are that preset's own.
A figure measured on another file than the one the preset ships is an error.

This script reads data only; it needs neither keras_selfattn nor Keras.
"""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from preset_metrics import ADAPTERS
from report_attention import (
    render_accuracy,
    render_attention,
    render_growth,
    render_length,
)
from report_classification import render_classification, render_classifiers
from report_images import render_image_attention, render_images
from report_language import (
    render_answers,
    render_embeddings,
    render_language,
    render_masked,
)
from report_recognition import render_hybrid
from report_robustness import render_keywords, render_robustness
from report_scaling import render_rescoring, render_scaling
from report_serving import render_serving
from report_spoken import render_commands, render_wake_words
from report_tables import measured, percent, table
from report_training import render_training
from report_translation import (
    render_published,
    render_translation,
    render_translators,
)

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(
    r"(<!-- report:(?P<name>[a-z]+) -->\n).*?(<!-- /report -->)", re.DOTALL
)
COMMON_KEYS = {"dataset", "split", "file", "file_sha256", "command"}
RECOGNISERS = ("SpeechRecognizer", "WhisperRecognizer")
RESULT_KEYS = {
    "CausalLM": {"tokens", "loss", "bits_a_character", "sliding_loss"},
    "ImageGenerator": {
        "truncation",
        "images",
        "accuracy",
        "frechet",
        "kernel",
        "precision",
        "recall",
        "density",
        "coverage",
        "class_spread",
        "nearest_train",
        "real",
        "judge",
    },
    "MaskedLM": {"texts", "hidden", "accuracy", "among_ten"},
    **dict.fromkeys(RECOGNISERS, {"utterances", "words", "wer", "cer"}),
    "TextClassifier": {
        "examples",
        "accuracy",
        "macro_f1",
        "seen_in_train",
        "unseen_accuracy",
    },
    "TextToText": {"examples", "accuracy", "bleu", "chrf"},
    "Translator": {
        "sentences",
        "beam",
        "bleu",
        "bleu_lower",
        "chrf",
        "seen_in_train",
        "unseen_bleu",
        "signature",
    },
}
# Of a masked language model whose vectors of texts were measured.
EMBEDDING_KEYS = {"examples", "by", "accuracy", "f1"}


class ReportError(ValueError):
    """A figures file that does not say what a table needs."""


@dataclass(frozen=True)
class Preset:
    """One preset folder: its name, its task and its measured results."""

    name: str
    task: str
    folder: Path
    results: list[dict]


def read_presets(zoo: Path) -> list[Preset]:
    """Reads the metrics of every preset named in `zoo/index.json`.

    Raises:
        ReportError: a result lacks a key, or was measured on a file whose
            sha256 is not the one in preset.json.
    """
    index = zoo / "index.json"
    if not index.is_file():
        return []
    presets = []
    for name, entry in sorted(read_json(index)["presets"].items()):
        folder = zoo / entry["folder"]
        metrics = folder / "metrics.json"
        results = read_json(metrics)["results"] if metrics.is_file() else []
        contents = read_json(folder / "preset.json")
        task, made_of, key = contents["task"], None, "file_sha256"
        shipped = {
            file: about["sha256"] for file, about in contents["files"].items()
        }
        # The file of others' weights is made by whoever wants it.
        if "base" in contents:
            made_of, key = ADAPTERS, "adapters_sha256"
        elif "source" in contents:
            made_of, key = "weights", "weights_sha256"
            shipped[made_of] = contents["source"]["sha256"][made_of]
        of_task = RESULT_KEYS.get(task, set())
        for result in results:
            keys = EMBEDDING_KEYS if "by" in result else of_task
            lacking = sorted((COMMON_KEYS | keys) - result.keys())
            if lacking:
                raise ReportError(f"{metrics}: a result lacks {lacking}.")
            file, measured = made_of or result["file"], result.get(key)
            if shipped.get(file) != measured:
                raise ReportError(
                    f"{metrics}: {result['dataset']}:{result['split']} was "
                    f"measured on a {file} with sha256 {measured}, but the "
                    f"preset ships {shipped.get(file)}."
                    f" Measure again: {result['command']}"
                )
        presets.append(Preset(name, task, folder, results))
    return presets


def read_json(path: Path) -> dict:
    """Reads one JSON object."""
    try:
        return json.loads(path.read_text(encoding="utf8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ReportError(f"{path} cannot be read as JSON: {error}") from None


def searched(result: dict) -> str:
    """Returns how a recogniser's text was found."""
    if "grammar" in result:
        return f"grammar `{result['grammar']}`"
    return "language model" if "beam" in result else "best tokens"


def render_results(presets: list[Preset]) -> str:
    """Returns the table of error rates, and the commands that print them."""

    def figures(result):
        stream = result.get("stream")
        streamed = (
            [
                f"{stream['chunk_seconds']:g} s",
                percent(stream["wer"]),
                percent(stream["second_pass_wer"]),
            ]
            if stream
            else ["", "", ""]
        )
        return [
            f"{result['utterances']:,}",
            f"{result['words']:,}",
            searched(result),
            percent(result["wer"]),
            percent(result["cer"]),
            *(streamed if any_stream else []),
        ]

    header = ["utterances", "words", "search", "WER %", "CER %"]
    any_stream = any(
        "stream" in result for preset in presets for result in preset.results
    )
    if any_stream:
        header += ["chunks of", "as a stream, WER %", "its 2nd pass, WER %"]
    return measured(presets, RECOGNISERS, header, figures)


def render_peers(peers: list[dict]) -> str:
    """Returns the table of other systems' error rates, with sources."""
    if not peers:
        return "\nNo other system is on record.\n\n"
    rows = [
        [
            peer["system"],
            peer["data"],
            peer["source"],
            f"{peer['utterances']:,}" if peer.get("utterances") else "",
            # As published: one decimal or two.
            f"{100 * peer['wer']:.4g}",
        ]
        for peer in peers
    ]
    header = ["system", "data", "source", "utterances", "WER %"]
    return "\n" + table(header, rows, left=3) + "\n"


def render_benchmark(result: dict | None) -> str:
    """Returns the side-by-side table of the last kept benchmark run."""
    if result is None:
        return "\nThe benchmark has not been run yet.\n\n"
    ours = result["systems"].get("ours", {}).get("summary")
    rows = []
    for name, system in result["systems"].items():
        if "summary" not in system:
            rows.append([name, "not run", *[""] * 4])
            continue
        summary = system["summary"]
        times = ""
        if ours:
            times = summary["real_time_factor"] / ours["real_time_factor"]
            times = f"{times:.1f}"
        rows.append(
            [
                system["title"],
                percent(summary["wer"]),
                f"{summary['real_time_factor']:.4f}",
                times,
                f"{summary['peak_memory_bytes'] / 2**20:.0f}",
                f"{summary['start_up_s']:.2f}",
            ]
        )
    header = [
        "system",
        "WER %",
        "real-time factor",
        "times ours",
        "peak memory, MiB",
        "start-up, s",
    ]
    drawn = result["data"]
    return (
        f"\n{drawn['utterances']} utterances ({drawn['audio_s'] / 60:.1f} "
        f"min) of {drawn['dataset']} {drawn['split']}, drawn with seed "
        f"{drawn['seed']}; one thread; {result['machine']}.\n\n"
        + table(header, rows)
        + f"\n```bash\n{result['command']}\n```\n\n"
    )


def fill(text: str, source: str, blocks: dict[str, str]) -> str:
    """Returns `text` with every marked block generated anew.

    Raises:
        ReportError: a block has an unknown name, or is not closed.
    """

    def replace(match: re.Match) -> str:
        name = match["name"]
        if name not in blocks:
            raise ReportError(
                f"{source} asks for report:{name}; known: {sorted(blocks)}."
            )
        return match[1] + blocks[name] + match[3]

    opened = text.count("<!-- report:")
    if opened != len(BLOCK.findall(text)):
        raise ReportError(
            f"{source} has a `<!-- report:NAME -->` that no `<!-- /report -->`"
            " closes."
        )
    return BLOCK.sub(replace, text)


def stale_files(root: Path) -> dict[Path, str]:
    """Returns the files whose blocks are out of date, with their new text."""
    presets = read_presets(root / "zoo")
    peers = root / "benchmarks/peers.json"
    published = read_json(peers) if peers.is_file() else {}

    def kept(name):
        path = root / "benchmarks/results" / f"{name}.json"
        return read_json(path) if path.is_file() else None

    attention, compared = kept("attention"), kept("compare_architectures")
    shared = {
        "peers": render_peers(published.get("peers", [])),
        "published": render_published(published.get("translation", [])),
        "benchmark": render_benchmark(kept("asr")),
        "attention": render_attention(attention),
        "length": render_length(attention),
        "accuracy": render_accuracy(compared),
        "growth": render_growth(compared),
        "classifiers": render_classifiers(kept("text_classification")),
        "translators": render_translators(kept("translation")),
        "commands": render_commands(
            kept("commands"), published.get("commands", [])
        ),
        "wakewords": render_wake_words(kept("wake_words")),
        "robustness": render_robustness(kept("robustness")),
        "frontends": render_keywords(kept("keyword_front_ends")),
        "training": render_training(kept("training")),
        "serving": render_serving(kept("serve")),
        "scaling": render_scaling(kept("asr_scaling")),
        "rescoring": render_rescoring(kept("rescoring")),
        "imageattention": render_image_attention(kept("image_attention")),
        "hybrid": "".join(
            render_hybrid(kept(name), published.get("an4", []))
            for name in ("an4", "an4_transfer")
        ),
    }
    pages = [root / "README.md", *sorted((root / "docs").glob("*.md"))]
    wanted = dict.fromkeys(pages, presets)
    for preset in presets:
        wanted[preset.folder / "card.md"] = [preset]
    stale = {}
    for path, shown in wanted.items():
        if not path.is_file():
            raise ReportError(f"{path} is missing.")
        old = path.read_text(encoding="utf8")
        blocks = {
            **shared,
            "results": render_results(shown),
            "classification": render_classification(shown),
            "translation": render_translation(shown),
            "language": render_language(shown),
            "answers": render_answers(shown),
            "masked": render_masked(shown),
            "embeddings": render_embeddings(shown),
            "images": render_images(shown),
        }
        new = fill(old, path.relative_to(root).as_posix(), blocks)
        if new != old:
            stale[path] = new
    return stale


def main(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; fail if stale.")
    ] = False,
    root: Annotated[Path, typer.Option(help="The checkout to work on.")] = ROOT,
) -> None:
    """Regenerates the results tables from the files that hold the figures."""
    try:
        stale = stale_files(root.resolve())
    except ReportError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    for path, text in stale.items():
        name = path.relative_to(root.resolve()).as_posix()
        if check:
            print(f"{name} is out of date: run python train/report.py")
        else:
            path.write_text(text, encoding="utf8")
            print(f"wrote {name}")
    if check and stale:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
