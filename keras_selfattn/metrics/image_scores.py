"""How near generated images are to real ones, and how varied, on features.

The features are a classifier's, one row an image. The libraries that are kept
for these measures (torch-fidelity, torchmetrics) bring Inception's weights
from the network, which see photographs, not digits; here any features do.
numpy only, float64. Shapes: `R` real images, `G` generated, `D` features.
"""

import numpy as np

ROWS = 512  # of a matrix of distances, at a time


def frechet_distance(real, generated):
    """The Frechet distance of two Gaussians fitted to features.

    `|m_r - m_g|^2 + tr(S_r + S_g - 2 (S_r S_g)^(1/2))`. The trace of the root
    is taken from the eigenvalues of `S_r^(1/2) S_g S_r^(1/2)`, which is
    symmetric, so no imaginary part is thrown away. It is biased by the number
    of rows: compare figures of the same number only.

    Reference: Heusel et al. 2017, arXiv 1706.08500, section 3 (there on
    Inception's features; figures on others cannot be compared with theirs).

    Args:
        real: float `(R, D)`, R > 1.
        generated: float `(G, D)`, G > 1.

    Returns:
        float >= 0.

    Raises:
        ValueError: not two matrices of D columns, or not finite.
    """
    real, generated = _pair(real, generated)
    apart = real.mean(0) - generated.mean(0)
    ours, theirs = (np.cov(rows, rowvar=False) for rows in (real, generated))
    ours, theirs = np.atleast_2d(ours), np.atleast_2d(theirs)
    values, vectors = np.linalg.eigh(ours)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    inner = np.linalg.eigvalsh(root @ theirs @ root).clip(0)
    spread = np.trace(ours) + np.trace(theirs) - 2 * np.sqrt(inner).sum()
    return float(max(apart @ apart + spread, 0.0))


def kernel_distance(real, generated):
    """The kernel distance: the squared MMD with a cubic kernel, unbiased.

    With `k(x, y) = (x y / D + 1)^3`: the mean of k over pairs of real images,
    and of generated ones, an image with itself left out, less twice the mean
    over real with generated. Its expectation does not depend on the number of
    rows, and it can be a little below zero. All rows are taken at once, not
    means over blocks of 1,000.

    Reference: Binkowski et al. 2018, arXiv 1801.01401, section 4 ("KID").

    Args:
        real: float `(R, D)`, R > 1.
        generated: float `(G, D)`, G > 1.

    Returns:
        float.

    Raises:
        ValueError: as `frechet_distance`.
    """
    real, generated = _pair(real, generated)

    def kernel(one, other):
        return (one @ other.T / one.shape[1] + 1) ** 3

    def mean_of_pairs(rows):
        found = kernel(rows, rows)
        count = len(rows)
        return (found.sum() - np.trace(found)) / (count * (count - 1))

    between = kernel(real, generated).mean()
    return float(mean_of_pairs(real) + mean_of_pairs(generated) - 2 * between)


def neighbourhood_scores(real, generated, neighbours=5):
    """Precision, recall, density and coverage, by balls around images.

    A ball goes from an image to its k-th nearest of the same kind. Precision:
    the share of generated images in some ball of a real one; recall: the
    share of real images in some ball of a generated one. Density counts, for
    a generated image, the balls of real ones it is in, over k (may pass 1);
    coverage is the share of real images whose ball holds a generated one.
    Precision and density say how real images look, recall and coverage how
    varied they are; the latter pair bears outliers.

    References: Kynkaanniemi et al. 2019, arXiv 1904.06991, section 2 (recall
    and precision; there k = 3); Naeem et al. 2020, arXiv 2002.09797, section
    3 (density and coverage; k = 5).

    Args:
        real: float `(R, D)`.
        generated: float `(G, D)`.
        neighbours: int k, 1 <= k < R, G.

    Returns:
        dict of "precision", "recall", "density", "coverage", floats.

    Raises:
        ValueError: as `frechet_distance`, or too few rows for k.
    """
    real, generated = _pair(real, generated)
    fewest = min(len(real), len(generated))
    if not 1 <= neighbours < fewest:
        raise ValueError(
            f"neighbours is {neighbours}; expected 1 to {fewest - 1}, since "
            f"there are {len(real)} real and {len(generated)} generated rows."
        )
    real_radii, generated_radii = (
        np.concatenate(
            # The nearest of all is the row itself.
            [np.partition(d, neighbours)[:, neighbours] for d in _apart(x, x)]
        )
        for x in (real, generated)
    )
    balls = np.zeros(len(generated))
    recalled, covered = [], []
    for first, far in zip(
        range(0, len(real), ROWS), _apart(real, generated)
    ):  # (rows of R, G)
        inside = far <= real_radii[first : first + ROWS, None]
        balls += inside.sum(0)
        covered.append(inside.any(1))
        recalled.append((far <= generated_radii).any(1))
    return {
        "precision": float((balls > 0).mean()),
        "recall": float(np.concatenate(recalled).mean()),
        "density": float(balls.mean() / neighbours),
        "coverage": float(np.concatenate(covered).mean()),
    }


def nearest_distances(rows, others):
    """The distance of each row to the nearest of others.

    Of generated images and those a model was trained on, it shows copies:
    they lie nearer than images that were held out.

    Args:
        rows: float `(G, D)`, features or pixels.
        others: float `(R, D)`.

    Returns:
        float64 `(G,)`, Euclidean.
    """
    rows, others = _pair(rows, others)
    return np.concatenate([far.min(1) for far in _apart(rows, others)])


def within_class_distance(rows, labels):
    """The mean distance of two images of one class, over the classes.

    Zero where each class has one image only (a collapsed generator); beside
    the same of real images it says how varied the classes are.

    Args:
        rows: float `(G, D)`, features or pixels.
        labels: int `(G,)`.

    Returns:
        float; classes of a single row are left out.

    Raises:
        ValueError: no class has two rows, or not one label a row.
    """
    rows, labels = _matrix(rows, "rows"), np.asarray(labels)
    if len(rows) != len(labels):
        raise ValueError(f"{len(rows)} rows have {len(labels)} labels.")
    means = []
    for name in np.unique(labels):
        own = rows[labels == name]
        if len(own) > 1:
            total = sum(far.sum() for far in _apart(own, own))
            means.append(total / (len(own) * (len(own) - 1)))
    if not means:
        raise ValueError("No class has two rows: there are no pairs.")
    return float(np.mean(means))


def _apart(rows, others):
    """Yields Euclidean distances, `ROWS` rows at a time."""
    # A centre in common: large means would cost digits in the difference.
    centre = others.mean(0)
    others = others - centre
    norms = (others**2).sum(1)
    for first in range(0, len(rows), ROWS):
        part = rows[first : first + ROWS] - centre
        squares = (part**2).sum(1)[:, None] + norms - 2 * part @ others.T
        # What rounding leaves of nothing is nothing.
        small = 1e-12 * ((part**2).sum(1)[:, None] + norms)
        yield np.sqrt(np.where(squares < small, 0.0, squares))


def _pair(real, generated):
    real, generated = _matrix(real, "real"), _matrix(generated, "generated")
    if real.shape[1] != generated.shape[1]:
        raise ValueError(
            f"real has {real.shape[1]} features and generated "
            f"{generated.shape[1]}; expected those of one classifier."
        )
    return real, generated


def _matrix(rows, name):
    rows = np.asarray(rows, "float64")
    if rows.ndim != 2 or len(rows) < 2:
        raise ValueError(
            f"{name} has shape {rows.shape}; expected (images, features) of "
            "two images or more."
        )
    if not np.isfinite(rows).all():
        raise ValueError(f"{name} holds values that are not finite.")
    return rows
