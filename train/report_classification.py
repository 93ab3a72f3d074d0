"""The tables of text classification that `train/report.py` writes."""


def table(header: list[str], rows: list[list[str]], left: int = 1) -> str:
    """Returns a Markdown table; all but the first `left` columns lean right."""
    rule = ["---"] * left + ["---:"] * (len(header) - left)
    lines = [header, rule, *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def render_classification(presets: list) -> str:
    """Returns the table of accuracies, and the commands that print them."""
    rows, commands = [], []
    for preset in presets:
        if preset.task != "TextClassifier":
            continue
        for result in preset.results:
            rows.append(
                [
                    f"`{preset.name}`",
                    f"`{result['file']}`",
                    f"{result['dataset']} {result['split']}",
                    f"{result['examples']:,}",
                    f"{100 * result['accuracy']:.2f}",
                    f"{100 * result['macro_f1']:.2f}",
                    f"{result['seen_in_train']:,}",
                    f"{100 * result['unseen_accuracy']:.2f}",
                ]
            )
            if result["command"] not in commands:
                commands.append(result["command"])
    if not rows:
        return "\nNo preset has been measured yet.\n\n"
    header = ["preset", "file", "data", "texts", "accuracy %", "macro F1 %"]
    header += ["also in train", "accuracy of the others %"]
    text = "\n" + table(header, rows, left=3)
    text += "\nThe commands that print these figures:\n\n```bash\n"
    return text + "\n".join(commands) + "\n```\n\n"


def render_classifiers(result: dict | None) -> str:
    """Returns attention beside CNN and RNN as text classifiers."""
    if not result or not result["sets"]:
        return "\nThe comparison has not been run yet.\n\n"
    rows = [
        [
            dataset,
            result["titles"][name],
            f"{100 * entry['dev_accuracy']:.1f}",
            f"{100 * entry['test_accuracy']:.1f}",
            f"{100 * entry['test_macro_f1']:.1f}",
            f"{entry['steps']:,}",
            f"{entry['body_parameters']:,}",
        ]
        for dataset, found in result["sets"].items()
        for name, entry in found.items()
    ]
    header = ["data", "architecture", "dev %", "test %", "test macro F1 %"]
    header += ["steps", "weights without embeddings"]
    return (
        f"\n{result['machine']}; {result['epochs']} epochs of each.\n\n"
        + table(header, rows, left=2)
        + f"\n```bash\n{result['command']}\n```\n\n"
    )
