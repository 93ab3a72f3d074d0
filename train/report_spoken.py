"""The tables of commands and wake words that `train/report.py` writes."""

from report_tables import percent, table

ROWS = {
    "written": "words as they are written",
    "other recordings": "heard spellings, chosen on other recordings",
    "same recordings": "heard spellings, chosen on these recordings",
}


def render_commands(result: dict | None, peers: list[dict]) -> str:
    """Returns acceptance by noise, with others' published averages."""
    if not result:
        return "\nCommands have not been measured yet.\n\n"
    levels = [condition["snr_db"] for condition in result["conditions"]]
    noisy = [c for c in result["conditions"] if c["snr_db"] is not None]
    header = ["system"]
    header += ["clean" if n is None else f"{n} dB" for n in levels]
    header += ["mean of noisy"]
    rows = []
    for name, title in ROWS.items():
        cells = [
            percent(condition[name]) if name in condition else ""
            for condition in result["conditions"]
        ]
        shares = [condition[name] for condition in noisy if name in condition]
        mean = percent(sum(shares) / len(shares)) if shares else ""
        rows.append([f"ours, {title}", *cells, mean])
    for peer in peers:
        blanks = [""] * len(levels)
        mean = f"{100 * peer['acceptance']:.4g}"
        rows.append([f"{peer['system']} ({peer['source']})", *blanks, mean])
    other = result["other_speech"]
    return (
        f"\nCommands accepted, %; {result['recordings']} recordings of "
        f"{result['data']}.\n\n"
        + table(header, rows)
        + f"\n{percent(other['taken_for_commands'])} % of "
        f"{other['recordings']} sentences of {other['data']} were taken for "
        f"commands.\n\n```bash\n{result['command']}\n```\n\n"
    )


def render_wake_words(result: dict | None) -> str:
    """Returns misses of each wake word, and its threshold."""
    if not result:
        return "\nWake words have not been measured yet.\n\n"
    rows = [
        [
            word,
            str(found["recordings"]),
            str(found["misses"]),
            percent(found["misses"] / found["recordings"]),
            str(found["false_alarms"]),
            f"{found['threshold']:.2f}",
        ]
        for word, found in result["words"].items()
    ]
    header = ["word", "recordings", "misses", "misses %", "false alarms"]
    header += ["threshold"]
    return (
        f"\nAt most one false alarm in an hour, over {result['hours']:.2f} "
        f"hours of {', '.join(result['other'])}.\n\n"
        + table(header, rows)
        + f"\n```bash\n{result['command']}\n```\n\n"
    )
