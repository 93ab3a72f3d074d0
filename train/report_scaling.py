"""The tables of scale and of rescoring that `train/report.py` writes."""

from report_tables import percent, table

SETS = ("speechocean762 dev", "librispeech-mini dev", "fsdd dev")


def render_scaling(result: dict | None) -> str:
    """Returns word error rates by hours of speech and by parameters."""
    if not result:
        return "\nNothing has been measured yet.\n\n"
    rows = [
        [
            row["model"],
            row["begins"],
            f"{row['hours']:.2g}",
            f"{row['parameters'] / 1e6:.1f}",
            f"{row['trained'] / 1e6:.1f}",
            *(
                percent(row["wer"][name]) if name in row["wer"] else ""
                for name in SETS
            ),
        ]
        for row in result["rows"]
    ]
    header = ["model", "begins with", "hours", "parameters, million"]
    header += ["trained, million", *(f"{name}, WER %" for name in SETS)]
    return f"\n{result['hardware']}.\n\n" + table(header, rows, left=2) + "\n"


def render_rescoring(result: dict | None) -> str:
    """Returns word error rates by what ranks the texts of a beam."""
    if not result:
        return "\nRescoring has not been measured yet.\n\n"
    results = result["results"]
    ways = next(iter(results.values()))["wer"]
    rows = [
        [way, *(percent(found["wer"][way]) for found in results.values())]
        for way in ways
    ]
    for kind, title in (("ngram", "n-gram"), ("causal", "causal")):
        found = (entry["perplexity"][kind] for entry in results.values())
        cells = (f"{value:,.0f}" for value in found)
        rows.append([f"perplexity of a word, {title} model", *cells])
    names = [f"{name.replace(':', ' ')}, WER %" for name in results]
    return (
        f"\n`{result['preset']}`, {result['beam']} texts of each beam.\n\n"
        + table(["ranked by", *names], rows)
        + f"\n```bash\n{result['command']}\n```\n\n"
    )
