"""Writes the results tables of README.md, of docs/ and of the model cards.

    python train/report.py            # rewrites what is out of date
    python train/report.py --check    # changes nothing; exit status 1 if stale

Figures live in one place: `zoo/<task>/<preset>/metrics.json` (written by the
evaluation scripts), `benchmarks/results/*.json` (written by the benchmarks)
and `benchmarks/peers.json` (other systems, each with its source). What stands
between `<!-- report:NAME -->` and `<!-- /report -->` is generated from them;
NAME is `results` (speech), `classification`, `classifiers`, `peers` or
`benchmark`, or of the attention family `attention`, `length`, `accuracy` or
`growth`. In a card, `results` and `classification` are that preset's own. A
figure measured on another file than the one the preset ships is an error.

This script reads data only; it needs neither keras_selfattn nor Keras.
"""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from report_classification import (
    render_classification,
    render_classifiers,
    table,
)

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(
    r"(<!-- report:(?P<name>[a-z]+) -->\n).*?(<!-- /report -->)", re.DOTALL
)
COMMON_KEYS = {"dataset", "split", "file", "file_sha256", "command"}
RESULT_KEYS = {
    "SpeechRecognizer": {"utterances", "words", "wer", "cer"},
    "TextClassifier": {
        "examples",
        "accuracy",
        "macro_f1",
        "seen_in_train",
        "unseen_accuracy",
    },
}


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
        files, task = contents["files"], contents["task"]
        keys = COMMON_KEYS | RESULT_KEYS.get(task, set())
        for result in results:
            lacking = sorted(keys - result.keys())
            if lacking:
                raise ReportError(f"{metrics}: a result lacks {lacking}.")
            shipped = files.get(result["file"], {}).get("sha256")
            if shipped != result["file_sha256"]:
                raise ReportError(
                    f"{metrics}: {result['dataset']}:{result['split']} was "
                    f"measured on a {result['file']} with sha256 "
                    f"{result['file_sha256']}, but the preset ships {shipped}."
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


def percent(value: float) -> str:
    """Returns a fraction as per cent with one decimal."""
    return f"{100 * value:.1f}"


def render_results(presets: list[Preset]) -> str:
    """Returns the table of error rates, and the commands that print them."""
    rows, commands = [], []
    for preset in presets:
        if preset.task != "SpeechRecognizer":
            continue
        for result in preset.results:
            rows.append(
                [
                    f"`{preset.name}`",
                    f"`{result['file']}`",
                    f"{result['dataset']} {result['split']}",
                    f"{result['utterances']:,}",
                    f"{result['words']:,}",
                    percent(result["wer"]),
                    percent(result["cer"]),
                ]
            )
            if result["command"] not in commands:
                commands.append(result["command"])
    if not rows:
        return "\nNo preset has been measured yet.\n\n"
    header = [
        "preset",
        "file",
        "data",
        "utterances",
        "words",
        "WER %",
        "CER %",
    ]
    text = "\n" + table(header, rows, left=3)
    text += "\nThe commands that print these figures:\n\n```bash\n"
    return text + "\n".join(commands) + "\n```\n\n"


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


def milliseconds(entry: dict) -> str:
    """Returns median and quartiles, or extremes of few repetitions."""
    low, middle, high = (
        f"{1000 * entry[key]:.3g}" for key in ("low_s", "median_s", "high_s")
    )
    return f"{middle} ({low}-{high})"


def mebibytes(value: float | None) -> str:
    """Returns bytes as MiB, or a dash for what could not be measured."""
    return "-" if value is None else f"{value / 2**20:.1f}"


def with_command(text: str, *runs: dict) -> str:
    """Returns a block: where it was run, the text, and the commands."""
    places = list(dict.fromkeys(run["machine"] for run in runs))
    minutes = {run["command"]: run["minutes"] for run in runs}
    return (
        f"\n{'; '.join(places)}; {sum(minutes.values()):.0f} minutes for the "
        f"whole run.\n\n{text}\n```bash\n" + "\n".join(minutes) + "\n```\n\n"
    )


def render_attention(result: dict | None) -> str:
    """Returns our layers beside Keras's and KerasHub's, milliseconds."""
    if not result or not result["peers"]:
        return "\nThe benchmark has not been run yet.\n\n"
    rows = []
    for row in result["peers"]:
        for ours, peer in (("ours", "keras"), ("our_block", "hub_block")):
            there = peer in row["systems"]
            rows.append(
                [
                    row["backend"],
                    result["titles"][peer],
                    "yes" if row["padded"] else "no",
                    "forward"
                    if row["direction"] == "forward"
                    else "+ backward",
                    f"{row['batch']} x {row['length']}",
                    milliseconds(row["systems"][ours]),
                    milliseconds(row["systems"][peer])
                    if there
                    else row["missing"][peer],
                    f"{row['ratios'][ours]:.2f}" if there else "-",
                ]
            )
    header = ["backend", "peer", "padding", "pass", "batch x length"]
    header += ["ours, ms", "peer, ms", "ours / peer"]
    return with_command(table(header, rows, left=4), result["runs"]["peers"])


def render_length(result: dict | None) -> str:
    """Returns local beside full attention, and how each grows."""
    if not result or not result["long"]:
        return "\nThe benchmark has not been run yet.\n\n"
    exponents = {
        (entry["backend"], entry["system"]): entry for entry in result["growth"]
    }
    rows = []
    for row in result["long"]:
        local = row["systems"].get("local", {}).get("peak_bytes")
        for name, entry in row["systems"].items():
            peak = entry["peak_bytes"]
            grows = exponents[row["backend"], name]
            rows.append(
                [
                    row["backend"],
                    result["titles"][name],
                    "forward"
                    if row["direction"] == "forward"
                    else "+ backward",
                    f"{row['length']}",
                    milliseconds(entry),
                    f"{row['times_local'].get(name, float('nan')):.1f}",
                    mebibytes(peak),
                    f"{peak / local:.1f}" if peak and local else "-",
                    *(
                        "-" if grows[key] is None else f"{grows[key]:.2f}"
                        for key in ("time", "memory")
                    ),
                ]
            )
    longest = max(row["length"] for row in result["long"])
    rows = [row for row in rows if row[3] == str(longest)]
    header = ["backend", "attention", "pass", "length", "ms", "times local"]
    header += ["peak MiB", "times local", "time grows", "memory grows"]
    return with_command(table(header, rows, left=3), result["runs"]["length"])


def render_accuracy(result: dict | None) -> str:
    """Returns what each architecture learned under the one budget."""
    if not result or not result["tasks"]:
        return "\nThe benchmark has not been run yet.\n\n"
    rows = []
    for task, found in result["tasks"].items():
        budget = result["runs"][task]["plan"][task]
        for name, entry in found.items():
            figures = [entry.get("error"), "-", "-", "-"]
            if "error" not in entry:
                figures = [
                    percent(entry["accuracy"]),
                    f"{entry['parameters']:,}",
                    f"{entry['body_parameters']:,}",
                    f"{entry['train_seconds']:.0f}",
                ]
            rows.append(
                [
                    task,
                    result["titles"][name],
                    f"{budget['steps']} x {budget['batch_size']} x "
                    f"{budget['length']}",
                    *figures,
                ]
            )
    header = ["task", "architecture", "steps x batch x length"]
    header += ["accuracy %", "weights", "without embeddings"]
    header += ["training, CPU s"]
    runs = [result["runs"][task] for task in result["tasks"]]
    return with_command(table(header, rows, left=2), *runs)


def render_growth(result: dict | None) -> str:
    """Returns time and memory of a training step by length."""
    if not result or not result["growth"]:
        return "\nThe benchmark has not been run yet.\n\n"
    lengths = [row["length"] for row in result["growth"]]
    run, rows = result["runs"]["growth"], []
    for name in run["plan"]["architectures"]:
        entries = [row["systems"].get(name) for row in result["growth"]]
        rows.append(
            [result["titles"][name]]
            + [f"{1000 * e['median_s']:.3g}" if e else "-" for e in entries]
            + [mebibytes(e["peak_bytes"]) if e else "-" for e in entries]
        )
    header = ["architecture", *(f"ms at {length}" for length in lengths)]
    header += [f"MiB at {length}" for length in lengths]
    return with_command(table(header, rows), run)


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

    def kept(name):
        path = root / "benchmarks/results" / f"{name}.json"
        return read_json(path) if path.is_file() else None

    attention, compared = kept("attention"), kept("compare_architectures")
    shared = {
        "peers": render_peers(
            read_json(peers)["peers"] if peers.is_file() else []
        ),
        "benchmark": render_benchmark(kept("asr")),
        "attention": render_attention(attention),
        "length": render_length(attention),
        "accuracy": render_accuracy(compared),
        "growth": render_growth(compared),
        "classifiers": render_classifiers(kept("text_classification")),
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
