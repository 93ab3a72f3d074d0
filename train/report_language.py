"""The tables of language models that `train/report.py` writes."""

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


def render_answers(presets: list) -> str:
    """Returns the table of text-to-text models, task by task.

    Answers of less than four words have no BLEU.
    """

    def figures(result):
        return [
            f"{result['examples']:,}",
            f"{100 * result['accuracy']:.1f}",
            f"{result['bleu']:.1f}" if result["bleu"] else "",
            f"{result['chrf']:.1f}",
        ]

    header = ["answers", "right to the letter %", "BLEU", "chrF"]
    return measured(presets, "TextToText", header, figures)


def render_masked(presets: list) -> str:
    """Returns the table of hidden words that were found."""

    def figures(result):
        return [
            f"{result['texts']:,}",
            f"{result['hidden']:,}",
            f"{100 * result['accuracy']:.1f}",
            f"{100 * result['among_ten']:.1f}",
        ]

    header = ["texts", "hidden tokens", "found %", "among ten %"]
    return measured(presets, "MaskedLM", header, figures, "hidden")


def render_embeddings(presets: list) -> str:
    """Returns the table of what vectors of texts are good for."""

    def figures(result):
        cosine = result.get("least_cosine")
        return [
            f"{result['examples']:,}",
            result["by"],
            f"{100 * result['accuracy']:.1f}",
            f"{100 * result['f1']:.1f}",
            "" if cosine is None else f"{cosine:.3f}",
        ]

    header = ["examples", "by", "accuracy %", "F1 %", "least cosine to Keras"]
    return measured(presets, "MaskedLM", header, figures, "by")
