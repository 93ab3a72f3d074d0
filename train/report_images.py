"""The tables of image generators that `train/report.py` writes."""

from report_tables import measured, percent, table

FIGURES = {
    "read right %": ("accuracy", percent),
    "Frechet": ("frechet", "{:.2f}".format),
    "kernel": ("kernel", "{:.4f}".format),
    "precision": ("precision", "{:.3f}".format),
    "recall": ("recall", "{:.3f}".format),
    "density": ("density", "{:.3f}".format),
    "coverage": ("coverage", "{:.3f}".format),
    "class spread": ("class_spread", "{:.3f}".format),
    "nearest trained on": ("nearest_train", "{:.2f}".format),
}


def cells(figures: dict) -> list[str]:
    """Returns figures as they stand in a row."""
    return [shown(figures[name]) for name, shown in FIGURES.values()]


def render_images(presets: list) -> str:
    """Returns figures of image generators, and the commands that print them."""

    def figures(result):
        return [f"{result['truncation']:g}", *cells(result)]

    text = measured(
        presets, "ImageGenerator", ["truncation", *FIGURES], figures
    )
    results = [
        result
        for preset in presets
        if preset.task == "ImageGenerator"
        for result in preset.results
    ]
    if not results:
        return text
    last = results[-1]
    row = ["real images in their place", "", last["dataset"], ""]
    row = " | ".join(row + cells(last["real"]))
    rows, commands = text.split("\n\n", 1)
    return f"{rows}\n| {row} |\n{judged(last)}\n{commands}"


def judged(result: dict) -> str:
    """Returns how many images there were, and who judged them."""
    judge = result["judge"]
    return (
        f"\n{result['images']:,} images generated, and as many held out; the "
        f"judge ({judge['parameters']:,} parameters, {judge['epochs']} epochs "
        f"on {judge['trained_on']:,} images, {judge['backend']}) reads "
        f"{percent(judge['accuracy'])} % of those held out right.\n"
    )


def render_image_attention(result: dict | None) -> str:
    """Returns what attention gives an image generator, and what it costs."""
    if not result:
        return "\nAttention in image generators has not been measured yet.\n\n"

    def over_seeds(figure, shown):
        mean, deviation = figure["mean"], figure["deviation"]
        return shown(mean) + (f" ± {shown(deviation)}" if deviation else "")

    rows = []
    runs = [run for variant in result["variants"] for run in variant["runs"]]
    seeds = ", ".join(map(str, sorted({run["seed"] for run in runs})))
    for variant in result["variants"]:
        size = variant["attention_resolution"]
        cost, step = variant["cost"], variant["step"]
        halves = [cost["generator"], cost["discriminator"]]
        rows.append(
            [
                f"at {size} x {size}" if size else "none",
                *[
                    over_seeds(variant["figures"][name], shown)
                    for name, shown in FIGURES.values()
                ],
                " + ".join(f"{half['parameters']:,}" for half in halves),
                " + ".join(
                    f"{half['multiply_adds'] / 1e6:.2f}" for half in halves
                ),
                f"{step['median_ms']:.0f}",
            ]
        )
    rows.append(
        ["real images in their place", *cells(result["real"]), "", "", ""]
    )
    header = ["attention", *FIGURES, "parameters", "million multiply-adds"]
    header.append("ms a step")
    return (
        f"\n{result['data']}, {result['epochs']} epochs, batches of "
        f"{result['batch_size']}, truncation {result['truncation']:g}; mean "
        f"and standard deviation over seeds {seeds}; "
        "parameters and multiply-adds of an image: generator + "
        f"discriminator; steps on {result['backend']}, variants by turns; "
        f"{result['machine']}.\n\n"
        + table(header, rows)
        + judged(result)
        + f"\n```bash\n{result['command']}\n```\n\n"
    )
