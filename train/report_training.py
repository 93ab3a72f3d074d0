"""The table of training speeds that `train/report.py` writes."""

from report_attention import milliseconds
from report_tables import table

OF_KERAS = ("ours", "keras_hub")


def render_training(result: dict | None) -> str:
    """Returns training steps of our encoder beside other libraries'."""
    if not result or not result["rows"]:
        return "\nThe benchmark has not been run yet.\n\n"
    rows, notes = [], []
    for row in result["rows"]:
        for name, found in row["systems"].items():
            faster = row["faster"].get(name)
            own = name in OF_KERAS
            rows.append(
                [
                    f"{row['backend']}" if own else "(torch)",
                    result["titles"][name],
                    f"{found['parameters']:,}",
                    milliseconds(found),
                    f"{found['tokens_per_second']:,.0f}",
                    f"{faster:.2f}" if faster else "",
                ]
            )
        notes += row["missing"].values()
    header = ["backend", "system", "parameters", "ms a step", "tokens/s"]
    header += ["times its speed ours is"]
    run = result["run"]
    plan = run["plan"]
    lines = "".join(f"{note}.\n" for note in dict.fromkeys(notes))
    return (
        f"\n{run['machine']}; {run['threads']} threads a system, batches of "
        f"{plan['batch']} x {plan['length']} tokens; {run['minutes']:.0f} "
        f"minutes for the whole run.\n\n{table(header, rows, left=2)}{lines}\n"
        f"```bash\n{run['command']}\n```\n\n"
    )
