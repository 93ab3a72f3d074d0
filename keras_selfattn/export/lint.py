"""Finds what a plain runtime cannot run in a .tflite file, and its layer.

An operator of TensorFlow that the converter lets through ("Flex") needs a
runtime of 30 MB more; a custom one needs code of its own. Conversion succeeds
with both: the file then fails on the device. Needs no TensorFlow.
"""

import re
from collections import Counter
from dataclasses import dataclass

from keras_selfattn.export.flatbuffer import (
    operator_name,
    read_model,
    tensor_name,
)


@dataclass(frozen=True)
class Finding:
    """One operator that is not built in.

    Args:
        op: the operator's name, as "FlexArgMax".
        kind: "flex" or "custom".
        layer: path of the layer that made it, from its outputs' names, as
            "speech_recognizer/encoder"; "" where the file has no names.
    """

    op: str
    kind: str
    layer: str

    def __str__(self):
        return f"{self.kind} operator {self.op} in {self.layer or '(no name)'}"


def lint(path):
    """Return every Flex or custom operator of a file, in order.

    Args:
        path: str or path of a .tflite file.

    Returns:
        list of Finding; empty where every operator is built in.

    Raises:
        FileError (a ValueError): the file is no .tflite file.

    Example:
        >>> [str(finding) for finding in lint("model.tflite")]
        ['flex operator FlexBitwiseAnd in model/head']
    """
    model = read_model(path)
    findings = []
    for graph in model.subgraphs:
        for operator in graph.operators or []:
            _, custom = operator_name(model, operator)
            if custom is None:
                continue
            kind = "flex" if custom.startswith("Flex") else "custom"
            names = [tensor_name(graph, i) for i in operator.outputs if i >= 0]
            findings.append(Finding(custom, kind, _layer(names)))
    return findings


def operators(path):
    """Return how often each operator stands in a file, a Counter.

    Custom operators count under their own names. Raises as `lint` does.
    """
    model = read_model(path)
    counts = Counter()
    for graph in model.subgraphs:
        for operator in graph.operators or []:
            name, custom = operator_name(model, operator)
            counts[custom or name] += 1
    return counts


def _layer(tensor_names):
    """Return the layer in "model/layer/Op;other" (fused operators: first).

    Keras numbers repeated scopes (`encoder_1`), and the last part of a name
    is the operation.
    """
    for names in tensor_names:
        for name in names.split(";"):
            parts = [re.sub(r"_1$", "", part) for part in name.split("/")]
            parts = [part for part in parts if part]
            if len(parts) > 1:
                return "/".join(parts[:-1])
            if parts:
                return parts[0]
    return ""
