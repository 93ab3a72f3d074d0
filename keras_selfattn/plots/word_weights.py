"""Weights over the words of a text, as a picture or as HTML.

HTML needs nothing but the standard library; a PNG needs matplotlib.
"""

import html
import math
import unicodedata
from pathlib import Path

from keras_selfattn.atomic_file import write_atomically, written_beside

COLUMNS = 72  # signs in a row of the picture
_RGB = (33, 102, 172)  # the colour of the largest weight
_MOST_TOKENS = 2000  # in a picture; HTML takes any number


def draw_word_weights(tokens, weights, path, title=""):
    """Writes the weights over the words as a file.

    Args:
        tokens: list of str.
        weights: floats, one a token; the largest has the full colour.
        path: `.html` or `.png`.
        title: str.

    Raises:
        ValueError: another suffix, or not a weight for each token.
        ImportError: a PNG without matplotlib.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".html":
        write_atomically(path, word_weights_html(tokens, weights, title))
    elif suffix == ".png":
        figure = plot_word_weights(tokens, weights, title)
        with written_beside(path) as part:
            figure.write_png(part)
    else:
        raise ValueError(
            f"{path} must end in .html or .png, not in {suffix!r}."
        )


def word_weights_html(tokens, weights, title="", whole_page=True):
    """HTML of the tokens, each on its colour; its weight shows on hovering.

    Args:
        tokens: list of str.
        weights: floats, one a token.
        title: str.
        whole_page: bool, False: the element alone, for a notebook.

    Returns:
        str. What stands in tokens and title is escaped.
    """
    shares = _shares(tokens, weights)
    spans = []
    for token, weight, share in zip(tokens, weights, shares, strict=True):
        red, green, blue = _RGB
        style = f"background:rgba({red},{green},{blue},{share:.3f})"
        if share > 0.55:
            style += ";color:#fff"
        spans.append(
            f'<span style="{style};padding:1px 3px;border-radius:3px" '
            f'title="{float(weight):.4f}">{html.escape(token)}</span>'
        )
    head = html.escape(title)
    body = (
        '<div style="font:16px/1.9 sans-serif;max-width:48em">'
        f"<p><b>{head}</b></p><p>{' '.join(spans)}</p></div>"
    )
    if not whole_page:
        return body
    return (
        '<!DOCTYPE html><html><head><meta charset="utf-8">'
        f"<title>{head}</title></head><body>{body}</body></html>\n"
    )


def plot_word_weights(tokens, weights, title=""):
    """The tokens in rows, each on its colour, as a matplotlib figure.

    Args:
        tokens: list of str, 2,000 at most.
        weights: floats, one a token.
        title: str.

    Returns:
        `matplotlib.figure.Figure`, which a notebook shows by itself.
    """
    from keras_selfattn.plots.attention import AttentionFigure, font_families

    if len(tokens) > _MOST_TOKENS:
        raise ValueError(
            f"{len(tokens)} tokens do not fit a picture of {_MOST_TOKENS}; "
            "write .html."
        )
    shares = _shares(tokens, weights)
    places, column, row = [], 0, 0
    for token in tokens:
        width = min(_columns(token), COLUMNS)
        if column and column + width > COLUMNS:
            column, row = 0, row + 1
        places.append((column, row, width))
        column += width + 1
    rows = row + 1
    above = 0.4 if title else 0.1
    inches = 0.3 * rows + above
    figure = AttentionFigure(figsize=(0.085 * COLUMNS, inches), dpi=120)
    panel = figure.add_axes((0.02, 0.02, 0.96, 0.3 * rows / inches))
    panel.set_xlim(0, COLUMNS)
    panel.set_ylim(rows, 0)
    panel.set_axis_off()
    families = font_families(tokens)
    families = ["DejaVu Sans Mono", *families[1:]]
    for token, (x, y, width), share in zip(tokens, places, shares, strict=True):
        panel.text(
            x + width / 2,
            y + 0.5,
            token.replace("$", r"\$"),
            ha="center",
            va="center",
            fontsize=9,
            fontfamily=families,
            color="white" if share > 0.55 else "black",
            bbox={
                "facecolor": [*(part / 255 for part in _RGB), share],
                "edgecolor": "none",
                "boxstyle": "round,pad=0.15",
            },
        )
    if title:
        figure.suptitle(title.replace("$", r"\$"), fontsize=10)
    return figure


def _shares(tokens, weights):
    weights = [float(weight) for weight in weights]
    if len(weights) != len(tokens) or not tokens:
        raise ValueError(
            f"{len(tokens)} tokens and {len(weights)} weights; expected one "
            "weight for each token, and one token at least."
        )
    if not all(map(math.isfinite, weights)) or min(weights) < 0:
        raise ValueError("weights must be finite and not negative.")
    largest = max(weights) or 1.0
    return [weight / largest for weight in weights]


def _columns(token):
    """How many columns a token takes: an ideograph takes two."""
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in token)
