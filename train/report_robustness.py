"""The tables of noise, rooms and codecs that `train/report.py` writes."""

from report_tables import percent, table

LEVELS_DB = (20, 10, 5, 0)
LOSS_DB = 10
PEER = "whisper-greedy"


def loss(cells: dict, noise: str) -> float | None:
    """Returns by how much of itself the error rate grows at 10 dB."""
    noisy = cells.get(f"{noise}-{LOSS_DB}")
    if noisy is None or not cells.get("clean", {}).get("wer"):
        return None
    return noisy["wer"] / cells["clean"]["wer"] - 1.0


def cell(cells: dict, name: str) -> str:
    """Returns an error rate, or nothing where it was not measured."""
    return percent(cells[name]["wer"]) if name in cells else ""


def growth(value: float | None) -> str:
    """Returns a growth as per cent with its sign."""
    return "" if value is None else f"{100 * value:+.0f}"


def render_robustness(result: dict | None) -> str:
    """Returns error rates by noise and level, and in all other conditions."""
    if not result:
        return "\nRobustness has not been measured yet.\n\n"
    cells = {name: result["cells"].get(name, {}) for name in result["systems"]}
    titles = {name: s["title"] for name, s in result["systems"].items()}
    noises = []
    for condition in result["conditions"]:
        noise = condition["name"].rpartition("-")[0]
        if condition["group"] == "noise" and noise not in noises:
            noises.append(noise)
    rows = []
    for noise in noises:
        for name, found in cells.items():
            levels = [cell(found, f"{noise}-{level}") for level in LEVELS_DB]
            if any(levels):
                rows.append(
                    [
                        noise,
                        titles[name],
                        cell(found, "clean"),
                        *levels,
                        growth(loss(found, noise)),
                        growth(loss(cells.get(PEER, {}), noise)),
                    ]
                )
    header = ["noise", "system", "clean"]
    header += [f"{level} dB" for level in LEVELS_DB]
    header += [f"growth at {LOSS_DB} dB, %", "Whisper's, %"]
    text = (
        f"\nWords wrong, %. {result['data']['utterances']} utterances "
        f"({result['data']['audio_s'] / 60:.1f} min) of "
        f"{result['data']['dataset']} {result['data']['split']}, drawn with "
        f"seed {result['data']['seed']}; babble of "
        f"{result['data']['babble']}; one thread; {result['machine']}. Empty: "
        "not measured.\n\n" + table(header, rows, left=2)
    )
    wide = [name for name in cells if len(cells[name]) > len(noises) + 1]
    rows = [
        [condition["title"], *(cell(cells[n], condition["name"]) for n in wide)]
        for condition in result["conditions"]
        if condition["group"] != "noise"
    ]
    rows = [row for row in rows if any(row[1:])]
    text += "\n" + table(["", *(titles[name] for name in wide)], rows)
    return text + f"\n```bash\n{result['command']}\n```\n\n"


def render_keywords(result: dict | None) -> str:
    """Returns the error rates of keyword models by front end."""
    if not result:
        return "\nFront ends have not been compared yet.\n\n"
    conditions = result["conditions"]
    rows = [
        [
            found["title"],
            str(found["features"]),
            f"{found['parameters']:,}",
            *(percent(found["wer"][name]) for name in conditions),
        ]
        for found in result["front_ends"].values()
    ]
    header = ["front end", "features", "parameters", *conditions]
    return (
        f"\nWords wrong, %; {result['utterances']} recordings of "
        f"{result['data']}, {result['epochs']} epochs, seed "
        f"{result['seed']}.\n\n"
        + table(header, rows)
        + f"\n```bash\n{result['command']}\n```\n\n"
    )
