"""The tables of the HTTP service that `train/report.py` writes."""

from report_tables import table


def render_serving(result: dict | None) -> str:
    """Returns the minute under load, and the ways to give out work."""
    if not result:
        return "\nThe service has not been measured yet.\n\n"
    whole = result["minute"]
    rows = [
        _row(kind, found)
        for kind, found in [*whole["kinds"].items(), ("all", whole)]
    ]
    refused = whole["statuses"].get("429", 0)
    answered = whole["statuses"].get("200", 0)
    others = sum(whole["statuses"].values()) - refused - answered
    header = ["requests", "a second", "p50, ms", "p95, ms"]
    text = (
        f"\n{result['clients']} clients for {result['seconds']:g} s, on "
        f"{result['machine']}. The load average before was "
        f"{result['load_before']:.1f}: where it is above 1, other work shared "
        "the cores.\n\n"
        + table(header, rows)
        + f"\n{answered:,} answered, {refused:,} told to try again (429), "
        f"{others:,} errors. Memory of the service and its workers after the "
        f"first seconds: {whole['resident_bytes'][-1] / 2**20:.0f} MiB, grown "
        f"by {whole['growth_bytes'] / 2**20:.1f} MiB.\n\n"
    )
    compared = result["compared"]
    names = list(next(iter(compared.values())))
    rows = []
    for kind, found in compared.items():
        first = found[names[0]]["requests_a_second"]
        rates = [found[name]["requests_a_second"] for name in names]
        rows.append([kind, *(f"{r:.0f} ({r / first:.2f}x)" for r in rates)])
    text += "Requests a second, of each kind alone:\n\n"
    text += table(["requests", *names], rows)
    direct = result["without_http"]
    text += (
        f"\nRecordings a second without HTTP: {direct['threads']:.0f} by "
        f"threads of one process, {direct['processes']:.0f} by as many "
        "processes.\n"
    )
    return text + f"\n```bash\n{result['command']}\n```\n\n"


def _row(kind, found):
    return [
        kind,
        f"{found['requests_a_second']:.0f}",
        f"{found['p50_ms']:.0f}",
        f"{found['p95_ms']:.0f}",
    ]
