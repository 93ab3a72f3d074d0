"""The table of language models that `train/report.py` writes."""

from report_tables import measured


def render_language(presets: list) -> str:
    """Returns the table of losses, and the commands that print them."""

    def figures(result):
        return [
            f"{result['tokens']:,}",
            f"{result['loss']:.3f}",
            f"{result['bits_a_character']:.3f}",
            f"{result['sliding_loss']:.3f}",
        ]

    header = ["tokens", "loss", "bits a character", "loss, sliding window"]
    return measured(presets, "CausalLM", header, figures)
