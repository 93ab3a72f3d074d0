"""Images a class in rows, and where an image's places look, as pictures.

Shapes: `B` images, `H`, `W` pixels, `C` channels, `N` heads, `T` queries, `S`
keys.
"""

import math

import numpy as np

try:
    from matplotlib.figure import Figure
except ImportError as error:
    raise ImportError(
        "Pictures need matplotlib: pip install matplotlib"
    ) from error

from keras_selfattn.atomic_file import written_beside

HEAT = {"cmap": "inferno", "interpolation": "bilinear"}
MARK = {"color": "#00d0ff", "markersize": 7, "markeredgewidth": 2}


def plot_images(images, labels, names, path=None, title=""):
    """Draws images, a row for each class that is there, its name in front.

    Args:
        images: uint8 `(B, H, W, C)`, C 1 or 3.
        labels: int `(B,)`, indices of `names`.
        names: list of str, the classes.
        path: PNG file to write, or None.
        title: str.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ValueError: images of another form, or not one label an image.

    Example:
        >>> labels = np.repeat(np.arange(10), 8)
        >>> images = task.generate(labels, truncation=0.8, seed=0)
        >>> plot_images(images, labels, task.labels, "digits.png")
    """
    images, labels = np.asarray(images), np.asarray(labels)
    if images.ndim != 4 or not len(images) or len(images) != len(labels):
        raise ValueError(
            f"images has shape {images.shape}, and there are {len(labels)} "
            "labels; expected (images, height, width, channels) and a label "
            "for each."
        )
    rows = [np.flatnonzero(labels == name) for name in np.unique(labels)]
    columns = max(map(len, rows))
    figure = Figure(
        figsize=(0.5 * columns + 0.6, 0.5 * len(rows) + (0.4 if title else 0)),
        dpi=100,
        layout="constrained",
    )
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0, hspace=0)
    panels = figure.subplots(len(rows), columns, squeeze=False)
    for row, places in zip(panels, rows):
        for column, panel in enumerate(row):
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
            if column < len(places):
                _show(panel, images[places[column]])
        row[0].set_ylabel(
            names[labels[places[0]]], rotation=0, ha="right", va="center"
        )
    return _finish(figure, path, title)


def plot_image_attention(
    image, scores, queries=None, path=None, title="", grid=None, key_grid=None
):
    """Draws where places of an image look: heat over the image, a query each.

    The first panel is the image with all queries marked; each other has one
    query and its weights over the keys. Each has its own scale of colours,
    from 0 to its largest weight: weights over fewer places are larger.

    Args:
        image: uint8 `(H, W, C)`, C 1 or 3.
        scores: float `(N, T, S)`, of which the mean over heads is drawn, or
            `(T, S)`; weights of places in rows from the upper left.
        queries: list of `(y, x)`, pixels of the image; default: five, one in
            the middle and four around it.
        path: PNG file to write, or None.
        title: str.
        grid: (rows, columns) of the T queries; default: a square.
        key_grid: (rows, columns) of the S keys; default: a square.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ValueError: scores or image of another form, a grid that does not fit
            them, or a query outside the image.

    Example:
        >>> image = task.generate("7", seed=0)[0]
        >>> maps = task.attention_maps("7", seed=0)[0]
        >>> plot_image_attention(image, maps, [(6, 8), (20, 12)], "look.png")
    """
    image, scores = np.asarray(image), np.asarray(scores, "float32")
    if scores.ndim == 3:
        scores = scores.mean(0)
    if image.ndim != 3 or scores.ndim != 2:
        raise ValueError(
            f"image has shape {image.shape} and scores {scores.shape}; "
            "expected those of one image: (height, width, channels) and "
            "(heads, queries, keys)."
        )
    grid = _grid_of(scores.shape[0], grid, "grid")
    key_grid = _grid_of(scores.shape[1], key_grid, "key_grid")
    height, width = image.shape[:2]
    if queries is None:
        queries = [
            (int(height * down), int(width * right))
            for down, right in (
                (0.5, 0.5),
                (0.25, 0.25),
                (0.25, 0.75),
                (0.75, 0.25),
                (0.75, 0.75),
            )
        ]
    for y, x in queries:
        if not (0 <= y < height and 0 <= x < width):
            raise ValueError(
                f"query ({y}, {x}) is outside the image of {height} x {width} "
                "pixels; queries are (y, x)."
            )
    figure = Figure(
        figsize=(1.7 * (1 + len(queries)), 1.8 + (0.3 if title else 0)),
        dpi=100,
        layout="constrained",
    )
    panels = figure.subplots(1, 1 + len(queries), squeeze=False)[0]
    for panel in panels:
        panel.set(xticks=[], yticks=[])
        _show(panel, image)
    for panel, (y, x) in zip(panels[1:], queries):
        place = y * grid[0] // height * grid[1] + x * grid[1] // width
        heat = scores[place].reshape(key_grid)
        panel.imshow(
            heat,
            alpha=0.65,
            vmin=0.0,
            vmax=max(float(heat.max()), 1e-9),
            extent=(-0.5, width - 0.5, height - 0.5, -0.5),
            **HEAT,
        )
        for marked in (panels[0], panel):
            marked.plot([x], [y], "+", **MARK)
        panel.set_title(f"({y}, {x}), to {heat.max():.2f}", fontsize=8)
    return _finish(figure, path, title)


def _show(panel, image):
    grey = image.shape[-1] == 1
    panel.imshow(
        image[..., 0] if grey else image,
        cmap="gray" if grey else None,
        vmin=0,
        vmax=255,
        interpolation="nearest",
    )


def _grid_of(places, grid, name):
    side = math.isqrt(places)
    found = (side, side) if grid is None else tuple(grid)
    if math.prod(found) != places:
        raise ValueError(
            f"{name} is {found}, {math.prod(found)} places; the scores have "
            f"{places}: give {name}=(rows, columns)."
        )
    return found


def _finish(figure, path, title):
    if title:
        figure.suptitle(title, fontsize=10)
    if path is not None:
        with written_beside(path) as part:
            figure.savefig(part, format="png")
    return figure
