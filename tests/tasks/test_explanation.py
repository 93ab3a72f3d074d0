import numpy as np
import pytest

from keras_selfattn.decoding.classification import Classification
from keras_selfattn.models import TextCNN, TextEncoder
from keras_selfattn.tasks.explanation import Explanation, head_scores

FOUND = Classification("good", 0.75, {"good": 0.75, "bad": 0.25}, 2, 2, False)
IDS = np.array([2, 3, 1], "int32")


def test_it_draws_itself(tmp_path):
    found = Explanation(FOUND, ["a", "<b>"], np.array([0.2, 0.8]), [])
    found.save(tmp_path / "why.html")
    found.save(tmp_path / "why.png")
    page = (tmp_path / "why.html").read_text()
    assert "good (0.750)" in page
    assert "&lt;b&gt;" in page
    assert (tmp_path / "why.png").read_bytes()[1:4] == b"PNG"
    assert found._repr_html_().startswith("<div")
    with pytest.raises(ValueError, match=r"must end in .html or .png"):
        found.save(tmp_path / "why.pdf")


def test_scores_of_heads_where_the_encoder_has_them():
    encoder = TextEncoder(6, 8, 2, 2, 8, positions="rotary")
    found = head_scores(encoder, IDS)
    assert [scores.shape for scores in found] == [(2, 3, 3)] * 2
    for scores in found:
        np.testing.assert_allclose(scores.sum(-1), 1, rtol=1e-5)
    assert head_scores(TextCNN(6, 8), IDS) == []
    nystrom = TextEncoder(
        6, 8, 1, 2, 8, attention={"kind": "nystrom", "num_landmarks": 4}
    )
    assert head_scores(nystrom, IDS) == []
