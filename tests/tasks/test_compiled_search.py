import numpy as np
import pytest

from keras_selfattn.decoding.beam_search import beam_search
from keras_selfattn.models.transformer import Transformer
from keras_selfattn.tasks.cached_decoding import CachedDecoder
from keras_selfattn.tasks.compiled_search import CompiledSearch
from tests.fixed_weights import draw_weights

pytestmark = pytest.mark.backend

SOURCE = np.array([[7, 9, 11, 15, 2], [5, 8, 2, 0, 0], [0] * 5], "int32")
BANNED = (0, 1, 3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("beam", [1, 4])
def test_writes_what_the_search_outside_writes(beam, kind):
    model = draw_weights(
        Transformer(
            40, 16, [1, 2], 2, intermediate_dim=16, name="t", dtype=kind
        )
    )
    search = CompiledSearch(model, beam, 12, BANNED)
    assert search.write(SOURCE[2:], 1.0)[0][0].tolist() == []
    if kind != "float32":  # near ties: only that it runs
        assert len(search.write(SOURCE, 1.0)) == 3
        return
    for alpha in (1.0, 0.0):
        found = search.write(SOURCE, alpha)
        decoder = CachedDecoder(model)
        state = decoder.start(SOURCE[:2], beam, 16)
        expected = beam_search(
            decoder.step, state, 2, beam, 12, 1, 2, alpha, banned_ids=BANNED
        )
        for (ids, score), ((text, total),) in zip(
            found[:2], expected, strict=True
        ):
            assert ids.tolist() == text.tolist()
            assert score == pytest.approx(total, abs=1e-4)
        assert found[2][0].tolist() == []
