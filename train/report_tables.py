"""What the tables of `train/report.py` are made of."""


def table(header: list[str], rows: list[list[str]], left: int = 1) -> str:
    """Returns a Markdown table; all but the first `left` columns lean right."""
    rule = ["---"] * left + ["---:"] * (len(header) - left)
    lines = [header, rule, *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def percent(value: float) -> str:
    """Returns a fraction as per cent with one decimal."""
    return f"{100 * value:.1f}"


def measured(
    presets: list, tasks: str | tuple, header: list[str], figures, key="file"
) -> str:
    """Returns what presets of some tasks were measured to do, with commands.

    Args:
        presets: list of `report.Preset`.
        tasks: class name of the task, or several; other presets are left out.
        header: list of str, the columns of `figures`.
        figures: callable, an entry of metrics.json to a list of str.
        key: str; entries without it are another table's.
    """
    rows, commands = [], []
    tasks = (tasks,) if isinstance(tasks, str) else tasks
    for preset in presets:
        if preset.task not in tasks:
            continue
        for result in preset.results:
            if key not in result:
                continue
            names = [f"`{preset.name}`", f"`{result['file']}`"]
            names.append(f"{result['dataset']} {result['split']}")
            rows.append(names + figures(result))
            for entry in (result, result.get("stream", result)):
                if entry["command"] not in commands:
                    commands.append(entry["command"])
    if not rows:
        return "\nNo preset has been measured yet.\n\n"
    text = "\n" + table(["preset", "file", "data", *header], rows, left=3)
    text += "\nThe commands that print these figures:\n\n```bash\n"
    return text + "\n".join(commands) + "\n```\n\n"
