"""The search of the hybrid: the score of a text is what its parts give it."""

import numpy as np
import pytest

from keras_selfattn.decoding.ctc_prefix_scores import CtcPrefixScores
from keras_selfattn.tasks.hybrid_search import HybridSearch
from keras_selfattn.tasks.speech_input import log_softmax
from tests.arrays import to_numpy
from tests.feature_patterns import spoken_patterns
from tests.fixed_weights import draw_weights
from tests.tasks.test_hybrid_recognizer import batch, hybrid


@pytest.mark.parametrize("weight", [0.0, 0.4])
def test_a_texts_score_is_that_of_the_whole_model(weight):
    task = draw_weights(hybrid())
    pieces = [spoken_patterns("abc"), spoken_patterns("b", 1)]
    search = HybridSearch(task)
    found = search.write(pieces, batch_size=2, beam=3, ctc_weight=weight)
    alone = search.write(pieces[1:], beam=3, ctc_weight=weight)
    assert alone[0][0].tolist() == found[1][0].tolist()
    inputs, _ = batch(["abc", "b"])
    for i, (tokens, score) in enumerate(found):
        inputs["token_ids"] = np.tile(tokens, (2, 1)).astype("int32")
        outputs = {k: to_numpy(v)[i] for k, v in task(inputs).items()}
        rows = log_softmax(outputs["logits"])
        total = sum(rows[j, k] for j, k in enumerate([*tokens, 0]))
        length = int(task.output_lengths(len(pieces[i])))
        ctc = CtcPrefixScores(
            log_softmax(outputs["ctc_logits"])[None, :length],
            np.array([length]),
        )
        state, last = ctc.start(), 0
        for j, token in enumerate(tokens):
            _, states = ctc.extend([last], np.array([[token]]), state, j == 0)
            state, last = states[:, 0], token
        expected = (1 - weight) * total + weight * ctc.ends(state)[0]
        np.testing.assert_allclose(score, expected, rtol=1e-4)
        assert len(tokens) <= length


def test_texts_are_no_longer_than_asked():
    task = draw_weights(hybrid())
    found = HybridSearch(task).write(
        [spoken_patterns("abc")], beam=2, max_length=2
    )
    assert len(found[0][0]) <= 2
