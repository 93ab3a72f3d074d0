"""Enters what hours of speech and parameters bring a recogniser in one table.

    python train/scale_asr.py --hybrid runs/hybrid_80 --hybrid runs/hybrid_144 \
        --features cepstra/speechocean762:dev \
        --adapters runs/learners_0.25 --adapters runs/learners_1 \
        --preset asr=5.9 --preset asr_whisper_tiny_en_learners=3.0 --update

A `--hybrid` run of `hybrid_asr.py` is measured here, by the best frames of its
CTC, on sets of cepstra; of an `--adapters` run of `whisper_asr.py` and of a
preset the figures are those that `evaluate_asr.py --update-metrics` entered
into its metrics.json. Hours are those that were drawn (`--hours`), or all that
the run's corpora hold; of a preset they are given. `--update` writes
benchmarks/results/asr_scaling.json, `--picture` draws curves of it.
"""

import json
from pathlib import Path
from typing import Annotated

import typer
from evaluation import KeepOption, user_errors
from hybrid_asr import DevSet, read_features
from preset_metrics import ADAPTERS, read_metrics
from speech_corpora import read_corpora, split_entry

from keras_selfattn import zoo
from keras_selfattn.atomic_file import write_atomically, written_beside

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks/results/asr_scaling.json"
ENOUGH_HOURS = 2  # of a point over parameters
WHISPER, SCRATCH = "Whisper tiny.en", "random weights"


def hours_of(arguments):
    """Hours of speech that a run was trained on, a float."""
    if arguments["hours"]:
        return arguments["hours"]
    if "frame_rate_hz" in arguments:
        frames = sum(len(e.features) for e in read_features(arguments["train"]))
        return frames / arguments["frame_rate_hz"] / 3600
    corpora = ("train", 1.0), ("mixed_in", arguments.get("mixed_in_share", 0))
    return (
        sum(
            share * sum(e.duration_s for e, _ in read_corpora(arguments[name]))
            for name, share in corpora
        )
        / 3600
    )


def hybrid_row(run, sets):
    """The figures of a run of `hybrid_asr.py`, a dict."""
    from keras_selfattn.tasks import Task

    arguments = json.loads((run / "arguments.json").read_text("utf-8"))
    hybrid = Task.from_preset_folder(run / "preset")
    found = {}
    for named in sets:
        folder, split = split_entry(named)
        rates = DevSet([named]).rates(hybrid)
        found[f"{Path(folder).name} {split}"] = rates["dev_wer"]
    return {
        "model": "Conformer and attention decoder on cepstra",
        "begins": SCRATCH,
        "hours": hours_of(arguments),
        "parameters": hybrid.count_params(),
        "trained": hybrid.count_params(),
        "wer": found,
    }


def measured_rates(folder):
    """Error rates of best tokens by data and split, of a metrics.json."""
    return {
        f"{entry['dataset']} {entry['split']}": entry["wer"]
        for entry in read_metrics(folder)["results"]
        if "beam" not in entry and "grammar" not in entry
    }


def size_of(path):
    """Numbers in a safetensors file, an int."""
    from safetensors.numpy import load_file

    return int(sum(value.size for value in load_file(path).values()))


def adapters_row(run):
    """The figures of a run of `whisper_asr.py`, a dict."""
    arguments = json.loads((run / "arguments.json").read_text("utf-8"))
    return {
        "model": f"{WHISPER} and adapters",
        "begins": WHISPER,
        "hours": hours_of(arguments),
        "parameters": zoo.load(run / "preset").count_params(),
        "trained": size_of(run / ADAPTERS),
        "wer": measured_rates(run / "preset"),
    }


def preset_row(entry):
    """The figures of NAME=HOURS, a preset of the zoo, a dict."""
    name, _, hours = entry.partition("=")
    try:
        hours = float(hours)
    except ValueError:
        raise ValueError(f"--preset {entry}: expected NAME=HOURS.") from None
    folder = zoo.resolve(name)
    count = trained = zoo.load(folder).count_params()
    if (folder / ADAPTERS).is_file():
        trained = size_of(folder / ADAPTERS)
    return {
        "model": f"`{folder.name}`",
        "begins": WHISPER,
        "hours": hours,
        "parameters": count,
        "trained": trained if hours else 0,
        "wer": measured_rates(folder),
    }


def plot(path, rows, data):
    """Draws word error rates over hours and over parameters."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    figure = Figure(figsize=(10, 4.5), dpi=120, layout="constrained")
    over_hours, over_size = figure.subplots(1, 2, sharey=True)
    rows = [row for row in rows if data in row["wer"]]
    adapted = [row for row in rows if row["begins"] == WHISPER]
    most = max(row["parameters"] for row in adapted)
    adapted = sorted(
        # A shorter window has fewer positions.
        (row for row in adapted if row["parameters"] > 0.95 * most),
        key=lambda row: row["hours"],
    )
    over_hours.plot(
        range(len(adapted)), [100 * row["wer"][data] for row in adapted], "-o"
    )
    over_hours.set_xticks(
        range(len(adapted)), [f"{row['hours']:.2g}" for row in adapted]
    )
    over_hours.set(
        xlabel="hours of speech",
        ylabel=f"word error rate, {data}, %",
        title=f"adapters beside {WHISPER}",
        ylim=(0, 100),
    )
    rows = [row for row in rows if row["hours"] >= ENOUGH_HOURS]
    for begins in (SCRATCH, WHISPER):
        points = sorted(
            (row["parameters"] / 1e6, 100 * row["wer"][data])
            for row in rows
            if row["begins"] == begins
        )
        if points:
            over_size.plot(*zip(*points), "-o", label=f"from {begins}")
    over_size.set(
        xlabel="parameters, million", xscale="log", title="most speech"
    )
    sizes = sorted({round(row["parameters"] / 1e6, 1) for row in rows})
    over_size.set_xticks(sizes, [f"{size:g}" for size in sizes])
    over_size.xaxis.set_minor_formatter(NullFormatter())
    over_size.legend()
    for panel in (over_hours, over_size):
        panel.grid(alpha=0.3)
    with written_beside(path) as part:
        figure.savefig(part, format="png")


def main(
    hybrid: Annotated[
        list[Path], typer.Option(help="Run of hybrid_asr.py; repeatable.")
    ] = (),
    features: Annotated[
        list[str], typer.Option(help="FOLDER:SPLIT; repeatable.")
    ] = (),
    adapters: Annotated[
        list[Path], typer.Option(help="Run of whisper_asr.py; repeatable.")
    ] = (),
    preset: Annotated[
        list[str], typer.Option(help="NAME=HOURS; repeatable.")
    ] = (),
    hardware: Annotated[str, typer.Option(help="Kept beside them.")] = "",
    picture: Annotated[
        Path | None, typer.Option(help="PNG to draw, of speechocean762 dev.")
    ] = None,
    update: KeepOption = False,
) -> None:
    """Prints hours, parameters and word error rates of runs and presets."""
    with user_errors():
        rows = [hybrid_row(run, features) for run in hybrid]
        rows += [adapters_row(run) for run in adapters]
        rows += [preset_row(entry) for entry in preset]
        if not rows:
            raise ValueError(
                "Nothing is given: --hybrid, --adapters, --preset."
            )
    rows.sort(key=lambda row: (row["parameters"], row["hours"]))
    for row in rows:
        typer.echo(json.dumps(row))
    if update:
        contents = {"hardware": hardware, "rows": rows}
        write_atomically(RESULT, json.dumps(contents, indent=1) + "\n")
        typer.echo(f"wrote {RESULT}")
    if picture:
        plot(picture, rows, "speechocean762 dev")


if __name__ == "__main__":
    typer.run(main)
