"""The tables of translation that `train/report.py` writes."""

from report_tables import measured, table


def render_translation(presets: list) -> str:
    """Returns the table of BLEU and chrF, and the commands that print them."""

    def figures(result):
        return [
            f"{result['sentences']:,}",
            str(result["beam"]),
            f"{result['bleu']:.2f}",
            f"{result['bleu_lower']:.2f}",
            f"{result['chrf']:.2f}",
            f"{result['seen_in_train']:,}",
            f"{result['unseen_bleu']:.2f}",
        ]

    header = ["sentences", "beam", "BLEU", "BLEU, lower-cased", "chrF"]
    header += ["also in train", "BLEU of the others"]
    text = measured(presets, "Translator", header, figures)
    signatures = sorted(
        {
            result["signature"]
            for preset in presets
            if preset.task == "Translator"
            for result in preset.results
        }
    )
    if not signatures:
        return text
    said = ", ".join(f"`{signature}`" for signature in signatures)
    return (
        f"{text}sacreBLEU's signature of the mixed-case BLEU: {said}; "
        "lower-cased: the same with `case:lc`.\n\n"
    )


def render_published(systems: list[dict]) -> str:
    """Returns the table of other systems' BLEU, with sources."""
    if not systems:
        return "\nNo other system is on record.\n\n"
    rows = [
        [
            system["system"],
            system["data"],
            system["source"],
            system["counted"],
            f"{system['bleu']:.4g}",
        ]
        for system in systems
    ]
    header = ["system", "data", "source", "how BLEU was counted", "BLEU"]
    return "\n" + table(header, rows, left=4) + "\n"
