"""The tables of the attention family that `train/report.py` writes."""

from report_tables import percent, table


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
