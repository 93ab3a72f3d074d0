import keras
import pytest

from tests.tiny_classifier import build

pytest.importorskip("tensorflow_text", reason="its operators read texts")


@pytest.mark.backend
def test_probes_that_differ_are_told(monkeypatch):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("this is TensorFlow's graph, whatever trained the model")
    from keras_selfattn.export import text_probes

    task = build()
    assert text_probes.differing_ids(task) == []
    real = task.tokenizer.batch

    def batch(texts):
        found = real(texts)
        found["token_ids"][2, 0] += 1
        return found

    monkeypatch.setattr(task.tokenizer, "batch", batch)
    assert text_probes.differing_ids(task) == [text_probes.PROBES[2]]
