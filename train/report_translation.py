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


def render_translators(result: dict | None) -> str:
    """Returns our translator beside CTranslate2 and KerasHub."""
    if not result or not result["cells"]:
        return "\nThe benchmark has not been run yet.\n\n"
    rows = []
    for cell in result["cells"]:
        for name, entry in cell["systems"].items():
            rates = entry["to_ctranslate2"]
            seconds = entry["median_s"]
            rows.append(
                [
                    f"{cell['batch']}",
                    f"{cell['beam']}",
                    result["titles"][name],
                    f"{entry['tokens'] / seconds:.0f}",
                    f"{entry['sentences'] / seconds:.1f}",
                    *(
                        f"{rates[key]:.2f}" if rates else "-"
                        for key in ("clock", "processor")
                    ),
                    f"{entry['same_as_reference']} of {entry['sentences']}",
                ]
            )
        rows += [
            [f"{cell['batch']}", f"{cell['beam']}", result["titles"][name]]
            + ["did not run", *[""] * 4]
            for name in cell["failed"]
        ]
    header = ["batch", "beam", "system", "tokens/s", "sentences/s"]
    header += ["x CTranslate2, clock", "x CTranslate2, processor"]
    header.append("same tokens")
    return (
        f"\n{result['machine']}; one thread; {result['minutes']:.0f} minutes "
        "for the whole run.\n\n"
        + table(header, rows, left=3)
        + f"\n```bash\n{result['command']}\n```\n\n"
    )
