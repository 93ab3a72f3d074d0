"""Scores of images, against their equations written out loop by loop."""

import numpy as np
import pytest

from keras_selfattn.metrics import image_scores
from keras_selfattn.metrics.image_scores import (
    frechet_distance,
    kernel_distance,
    nearest_distances,
    neighbourhood_scores,
    within_class_distance,
)


@pytest.fixture(params=[512, 7], autouse=True)
def rows_at_a_time(request, monkeypatch):
    monkeypatch.setattr(image_scores, "ROWS", request.param)


def drawn(seed, rows, shift=0.0, scale=1.0, features=6):
    noise = np.random.default_rng(seed).normal(size=(rows, features))
    mixed = np.random.default_rng(9).normal(size=(features, features))
    return 100 + shift + scale * noise @ mixed


REAL, NEAR, FAR = drawn(0, 40), drawn(1, 50), drawn(2, 50, 1.0, 0.3)


def test_frechet_distance_is_that_of_scipy():
    linalg = pytest.importorskip("scipy.linalg")
    for generated in (NEAR, FAR):
        ours, theirs = np.cov(REAL.T), np.cov(generated.T)
        root = np.real(linalg.sqrtm(ours @ theirs))
        apart = REAL.mean(0) - generated.mean(0)
        expected = apart @ apart + np.trace(ours + theirs - 2 * root)
        np.testing.assert_allclose(
            frechet_distance(REAL, generated), expected, rtol=1e-8
        )
    assert frechet_distance(REAL, REAL) < 1e-9
    assert frechet_distance(REAL, NEAR) < frechet_distance(REAL, FAR)
    # Two Gaussians on a line: the means' and the deviations' differences.
    one, two = REAL[:, :1], 3 * REAL[:, :1]
    expected = (2 * one.mean()) ** 2 + (2 * one.std(ddof=1)) ** 2
    np.testing.assert_allclose(frechet_distance(one, two), expected)


def test_features_that_do_not_vary():
    flat = np.pad(REAL, ((0, 0), (0, 3)))
    np.testing.assert_allclose(
        frechet_distance(flat, np.pad(NEAR, ((0, 0), (0, 3)))),
        frechet_distance(REAL, NEAR),
        rtol=1e-6,
    )


def kernel(x, y):
    return (x @ y / len(x) + 1) ** 3


def mean_kernel(one, other, leave_out):
    return np.mean(
        [
            kernel(x, y)
            for i, x in enumerate(one)
            for j, y in enumerate(other)
            if not (leave_out and i == j)
        ]
    )


def test_kernel_distance_is_the_mean_over_pairs():
    real, generated = drawn(0, 8) / 50, drawn(2, 9, 5.0) / 50
    expected = (
        mean_kernel(real, real, True)
        + mean_kernel(generated, generated, True)
        - 2 * mean_kernel(real, generated, False)
    )
    np.testing.assert_allclose(
        kernel_distance(real, generated), expected, rtol=1e-9
    )


def test_kernel_distance_is_not_biased_by_the_number():
    found = [
        kernel_distance(*np.random.default_rng(seed).normal(size=(2, 20, 4)))
        for seed in range(200)
    ]
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found)) < 4 * error


def radius(rows, place, neighbours):
    far = sorted(np.linalg.norm(rows - rows[place], axis=1))
    return far[neighbours]  # far[0] is the row itself


def test_neighbourhoods_loop_by_loop():
    for generated, k in ((NEAR, 5), (FAR, 3)):
        inside = np.array(
            [
                [np.linalg.norm(r - g) <= radius(REAL, i, k) for g in generated]
                for i, r in enumerate(REAL)
            ]
        )
        recalled = np.array(
            [
                [
                    np.linalg.norm(r - g) <= radius(generated, j, k)
                    for j, g in enumerate(generated)
                ]
                for r in REAL
            ]
        )
        found = neighbourhood_scores(REAL, generated, k)
        assert found == pytest.approx(
            {
                "precision": inside.any(0).mean(),
                "recall": recalled.any(1).mean(),
                "density": inside.sum(0).mean() / k,
                "coverage": inside.any(1).mean(),
            }
        )


def test_a_generator_that_gives_one_image_covers_little():
    same = np.repeat(REAL[:1], 40, 0)
    found = neighbourhood_scores(REAL, same)
    assert found["precision"] == 1.0
    assert found["recall"] == 1 / 40
    varied = neighbourhood_scores(REAL, NEAR)
    assert found["coverage"] < varied["coverage"] / 2
    assert within_class_distance(same, np.zeros(40)) == 0.0


def test_copies_have_no_distance():
    found = nearest_distances(np.concatenate([REAL[3:4], FAR]), REAL)
    assert found[0] == 0.0
    expected = np.linalg.norm(FAR[4] - REAL, axis=1).min()
    np.testing.assert_allclose(found[5], expected)


def test_the_mean_is_over_pairs_of_a_class():
    rows = np.array([[0.0], [3.0], [10.0], [14.0], [99.0]])
    assert within_class_distance(rows, [0, 0, 1, 1, 2]) == pytest.approx(3.5)
    with pytest.raises(ValueError, match="No class has two rows"):
        within_class_distance(rows, range(5))
    with pytest.raises(ValueError, match="5 rows have 2 labels"):
        within_class_distance(rows, [0, 1])


@pytest.mark.parametrize(
    ("real", "generated", "message"),
    [
        (REAL[:1], NEAR, r"real has shape \(1, 6\)"),
        (REAL, NEAR[0], r"generated has shape \(6,\)"),
        (REAL, NEAR[:, :5], "6 features and generated 5"),
        (REAL, np.full_like(NEAR, np.nan), "not finite"),
    ],
)
def test_what_cannot_be_scored_is_named(real, generated, message):
    for score in (frechet_distance, kernel_distance, neighbourhood_scores):
        with pytest.raises(ValueError, match=message):
            score(real, generated)


def test_neighbours_that_are_not_there():
    with pytest.raises(ValueError, match="expected 1 to 39"):
        neighbourhood_scores(REAL, NEAR, 40)
