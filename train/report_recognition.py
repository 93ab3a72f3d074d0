"""The table of the hybrid recogniser that `train/report.py` writes."""

from statistics import fmean, stdev

from report_tables import percent, table

WAYS = {
    "greedy": "CTC, best frames",
    "ctc-lm": "CTC prefix beam, word n-gram",
    "joint": "attention beam, CTC prefix scores",
    "joint-lm": "attention beam, CTC prefix scores, word n-gram",
}


def render_hybrid(result: dict | None, peers: list[dict]) -> str:
    """Returns error rates on AN4 by way of decoding, mean over seeds."""
    if not result:
        return "\nThe hybrid recogniser has not been measured yet.\n\n"
    rows = []
    for way, title in WAYS.items():
        cells = [title]
        for split in ("dev", "test"):
            found = [
                run[split][way]
                for run in result["runs"]
                if way in run.get(split, {})
            ]
            cells += [spread([f[kind] for f in found]) for kind in RATES]
        if any(cells[1:]):
            rows.append(cells)
    for peer in peers:
        rates = [percent(peer[kind]) for kind in RATES]
        rows.append([f"{peer['system']} ({peer['source']})", "", "", *rates])
    header = ["decoding", "dev WER %", "dev CER %", "test WER %", "test CER %"]
    seeds = ", ".join(str(run["seed"]) for run in result["runs"])
    number = f"seed {seeds}" if len(result["runs"]) == 1 else f"seeds {seeds}"
    return (
        f"\nAN4, official split; {result['parameters']:,} parameters; {number};"
        f" {result['hardware']}.\n\n"
        + table(header, rows)
        + f"\n```bash\n{result['command']}\n```\n\n"
    )


RATES = ("wer", "cer")


def spread(values: list[float]) -> str:
    """Returns the mean in per cent, with the deviation of several."""
    if not values:
        return ""
    mean = percent(fmean(values))
    return mean if len(values) == 1 else f"{mean} ± {percent(stdev(values))}"
