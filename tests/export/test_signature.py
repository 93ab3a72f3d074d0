import dataclasses

import pytest

from keras_selfattn.export.signature import Signature


def test_a_signature_is_plain_and_fixed():
    found = Signature(
        "say", {"x": "int32"}, {"log_probabilities": "float32"}, ""
    )
    assert (found.decisions, found.lengths, found.float_layers) == (
        None,
        None,
        (),
    )
    assert found.scores in found.outputs
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.name = "other"


def test_every_task_says_what_it_exports(task, classifier):
    for one, name in ((task, "transcribe"), (classifier, "classify")):
        signature = one.export_signature()
        assert signature.name == name
        example, what = one.typical_input()
        assert what
        probes = [example, *one.export_probes()]
        for probe in probes:
            assert {k: str(v.dtype) for k, v in probe.items()} == (
                signature.inputs
            )
        found = one.reference_outputs(probes[1])
        assert set(found) == set(signature.outputs)
        for key, kind in signature.outputs.items():
            assert found[key].dtype.kind == kind[0]
