"""Attention weights as a picture, one panel a head.

Shapes: `N` heads, `T` queries, `S` keys, `M` frequency bins.
"""

import io
import math
import warnings

import numpy as np

try:
    from matplotlib import get_cachedir
    from matplotlib.figure import Figure
    from matplotlib.font_manager import get_font_names
except ImportError as error:
    raise ImportError(
        "Pictures need matplotlib: pip install matplotlib"
    ) from error

from keras_selfattn.atomic_file import written_beside

MOST_LABELS = 48  # tokens an axis; with more, every second or third has one
PANEL_INCHES = (2.6, 5.2)  # smallest and largest side of a panel
# Looked for in this order, for the signs that matplotlib's own font lacks.
CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Microsoft YaHei",
    "PingFang SC",
    "SimHei",
    "AR PL UMing CN",
)


class AttentionFigure(Figure):
    """A matplotlib figure that notebooks show as it is, without pyplot."""

    def _repr_png_(self):
        image = io.BytesIO()
        self.write_png(image)
        return image.getvalue()

    def write_png(self, file):
        """Writes a PNG to a path or an open file."""
        with warnings.catch_warnings():
            # `font_families` has warned once, not once for each sign.
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            self.savefig(file, format="png")


def plot_attention(
    scores, tokens, path=None, key_tokens=None, title="", frame_seconds=None
):
    """Draws attention weights: heads x queries x keys.

    Each head is a panel, queries downwards, keys to the right; all panels
    share one scale of colours from 0 to the largest weight.

    Args:
        scores: float `(N, T, S)`, or `(1, N, T, S)` as a layer returns them
            for one example, of any backend; or `(T, S)` for one head.
        tokens: what the queries are: T strings, or a spectrogram `(T, M)`
            whose frames they are, drawn along the axes.
        path: PNG file to write, or None.
        key_tokens: what the keys are, where they are other than the queries
            (translation: the source), in the same two forms; default:
            `tokens`.
        title: str.
        frame_seconds: float, seconds from a frame of a spectrogram to the
            next; with it the axes show seconds in place of frames.

    Returns:
        `matplotlib.figure.Figure`, which a notebook shows by itself.

    Raises:
        ValueError: where the scores have another rank, or another number of
            queries or keys than there are tokens.

    Example:
        >>> layer = MultiHeadSelfAttention(num_heads=2)
        >>> _, scores = layer(x, return_attention_scores=True)
        >>> plot_attention(scores[:1], ["the", "cat", "sat"], "cat.png")
    """
    scores = _as_heads(scores)
    key_tokens = tokens if key_tokens is None else key_tokens
    queries = _axis(tokens, scores.shape[1], "queries", "tokens", frame_seconds)
    keys = _axis(
        key_tokens, scores.shape[2], "keys", "key_tokens", frame_seconds
    )
    heads = len(scores)
    columns = min(heads, math.ceil(math.sqrt(heads)))
    rows = math.ceil(heads / columns)
    width, height = _panel_inches(keys), _panel_inches(queries)
    figure = AttentionFigure(
        figsize=(columns * width + 0.8, rows * height + 0.5),
        dpi=120,
        layout="constrained",
    )
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    families = font_families((queries.labels or []) + (keys.labels or []))
    limits = {"vmin": 0.0, "vmax": max(float(scores.max()), 1e-9)}
    for head, panel in enumerate(panels):
        if head >= heads:
            panel.set_axis_off()
            continue
        image = panel.imshow(
            scores[head],
            **limits,
            aspect="auto",
            cmap="viridis",
            interpolation="nearest",
        )
        if heads > 1:
            panel.set_title(f"head {head}", fontsize=9)
        _label(panel.xaxis, keys, "key", 90, families)
        _label(panel.yaxis, queries, "query", 0, families)
        _draw_spectrograms(panel, queries, keys)
    figure.colorbar(image, ax=list(panels), shrink=0.6, label="weight")
    if title:
        figure.suptitle(title)
    if path is not None:
        with written_beside(path) as part:
            figure.write_png(part)
    return figure


def _as_heads(scores):
    """Scores of any backend as a NumPy array `(N, T, S)`, float32."""
    scores = _to_numpy(scores)
    shape = scores.shape
    if scores.ndim == 2:
        scores = scores[None]
    elif scores.ndim == 4 and shape[0] == 1:
        scores = scores[0]
    if scores.ndim != 3 or not scores.size:
        raise ValueError(
            f"scores has shape {shape}; expected (heads, queries, keys) of "
            "one example: index the batch, as in scores[0]."
        )
    return scores


def _to_numpy(values):
    """Values of any backend as a NumPy array, float32."""
    if not isinstance(values, np.ndarray):
        import keras  # who has a backend's tensor has loaded it

        values = keras.ops.convert_to_numpy(values)
    return np.asarray(values, "float32")


class _Axis:
    """What stands along an axis: labels, or the frames of a spectrogram."""

    def __init__(self, labels, spectrogram, frame_seconds):
        self.labels = labels
        self.spectrogram = spectrogram
        self.frame_seconds = frame_seconds

    def __len__(self):
        return len(
            self.labels if self.spectrogram is None else self.spectrogram
        )


def _axis(tokens, size, what, argument, frame_seconds):
    labels, spectrogram = None, None
    if len(tokens) and isinstance(tokens[0], str):
        labels = list(tokens)
    else:
        spectrogram = _to_numpy(tokens)
        if spectrogram.ndim != 2:
            raise ValueError(
                f"{argument} is neither a list of str nor a spectrogram "
                f"(frames, bins); its shape is {spectrogram.shape}."
            )
    axis = _Axis(labels, spectrogram, frame_seconds)
    if len(axis) != size:
        raise ValueError(
            f"The scores have {size} {what}, but {argument} has {len(axis)}; "
            "leave padding out of both, and give key_tokens where the keys "
            "are not the queries."
        )
    return axis


def _panel_inches(axis):
    small, large = PANEL_INCHES
    if axis.spectrogram is not None:
        return 3.4
    return min(large, max(small, 0.17 * len(axis) + 0.8))


def _label(axis, along, name, rotation, families):
    if along.spectrogram is None:
        step = math.ceil(len(along) / MOST_LABELS)
        places = list(range(0, len(along), step))
        axis.set_ticks(places)
        axis.set_ticklabels(
            [along.labels[place].replace("$", r"\$") for place in places],
            rotation=rotation,
            fontsize=7,
            fontfamily=families,
        )
    elif along.frame_seconds:
        axis.set_major_formatter(
            lambda frame, _: f"{frame * along.frame_seconds:.1f}"
        )
        axis.set_tick_params(labelsize=7)
        name += ", s"
    else:
        axis.set_tick_params(labelsize=7)
        name += " frame"
    axis.set_label_text(name, fontsize=8)


def font_families(labels):
    """Matplotlib's own font, and one with Chinese signs if any are there."""
    families = ["DejaVu Sans"]
    if not any(sign > "\u2e7f" for label in labels for sign in label):
        return families
    known = set(get_font_names())
    found = [name for name in CHINESE_FONTS if name in known][:1]
    if not found:
        warnings.warn(
            "No font with Chinese signs is known, so boxes stand for them; "
            "install one (Debian: apt install fonts-noto-cjk) and remove "
            f"matplotlib's list of fonts in {get_cachedir()}.",
            stacklevel=3,
        )
    return families + found


def _draw_spectrograms(panel, queries, keys):
    """A strip beside an axis of frames: over the keys, right of the queries."""
    drawn = {"aspect": "auto", "cmap": "magma", "interpolation": "nearest"}
    if keys.spectrogram is not None:
        strip = panel.inset_axes([0, 1.02, 1, 0.22])
        strip.imshow(keys.spectrogram.T, origin="lower", **drawn)
        strip.set_axis_off()
        strip.set_title(panel.get_title(), fontsize=9)
        panel.set_title("")
    if queries.spectrogram is not None:
        strip = panel.inset_axes([1.02, 0, 0.22, 1])
        strip.imshow(queries.spectrogram, **drawn)
        strip.set_axis_off()
