"""The tables of text classification that `train/report.py` writes."""

from report_tables import measured, table


def render_classification(presets: list) -> str:
    """Returns the table of accuracies, and the commands that print them."""

    def figures(result):
        return [
            f"{result['examples']:,}",
            f"{100 * result['accuracy']:.2f}",
            f"{100 * result['macro_f1']:.2f}",
            f"{result['seen_in_train']:,}",
            f"{100 * result['unseen_accuracy']:.2f}",
        ]

    header = ["texts", "accuracy %", "macro F1 %"]
    header += ["also in train", "accuracy of the others %"]
    return measured(presets, "TextClassifier", header, figures)


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
