"""Checks an exported file: operators, outputs against Keras, size, speed."""

import os
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from keras_selfattn.export.lint import lint, operators

# Of a float file that gives decisions only; the rest may be near ties.
LEAST_AGREEMENT = 0.95


class Agreement(NamedTuple):
    """How far a file's outputs are those of the Keras model.

    Args:
        equal: int, decisions that are those of Keras.
        compared: int, decisions compared.
        max_abs_difference: float, largest difference between outputs that
            are no decisions (log-probabilities), NaN if any is not finite;
            None where all are decisions.
        words: str, what was counted, as words behind "3 of 4".
        values: str, what the outputs that are no decisions are called.
    """

    equal: int
    compared: int
    max_abs_difference: float | None
    words: str = "decide as Keras"
    values: str = "log-probabilities"

    def __str__(self):
        within = ""
        if self.max_abs_difference is not None:
            difference = f"{self.max_abs_difference:.2g}"
            within = f" ({self.values} within {difference})"
        return f"{self.equal} of {self.compared} {self.words}{within}"


@dataclass(frozen=True)
class Report:
    """What is in an exported file and how it compares with the Keras model.

    Args:
        path: str, the file.
        bytes: int, its size.
        quantize: "none", "float16", "dynamic" or "int8".
        ops: Counter, operator name -> how often it stands in the graph.
        not_built_in: list of Finding, Flex and custom operators.
        equal: int, decisions that are those of Keras.
        compared: int, decisions compared.
        agreement: str, what was counted, as words behind "3 of 4".
        max_abs_difference: float, largest difference between outputs that
            are no decisions; None where nothing was compared.
        values: str, what these outputs are called.
        run_seconds: float, time of one run on one thread; None where not
            measured.
        run_of: str, what that run was given ("10 s of sound").
        parts: dict of the name of a check of its parts to an Agreement.
        values: str, what outputs that are no decisions are called.
    """

    path: str
    bytes: int
    quantize: str
    ops: Counter = field(default_factory=Counter)
    not_built_in: list = field(default_factory=list)
    equal: int = 0
    compared: int = 0
    agreement: str = "decide as Keras"
    max_abs_difference: float | None = None
    run_seconds: float | None = None
    run_of: str = ""
    parts: dict = field(default_factory=dict)
    values: str = "log-probabilities"

    def __str__(self):
        kinds = "all built in"
        if self.not_built_in:
            kinds = "; ".join(str(finding) for finding in self.not_built_in)
        parts = [
            f"{self.path}: {self.bytes / 1e6:.2f} MB "
            f"(quantize={self.quantize})",
            f"{self.ops.total()} operators, {kinds}",
        ]
        if self.compared:
            parts.append(str(self.whole))
        parts += [f"{name}: {found}" for name, found in self.parts.items()]
        if self.run_seconds is not None:
            parts.append(f"{1000 * self.run_seconds:.2f} ms for {self.run_of}")
        return "; ".join(parts)

    @property
    def whole(self):
        """The Agreement of the file's main signature."""
        return Agreement(
            self.equal,
            self.compared,
            self.max_abs_difference,
            self.agreement,
            self.values,
        )


def inspect(path, quantize):
    """Return a `Report` of what stands in the file, without running it."""
    return Report(
        path=str(path),
        bytes=os.path.getsize(path),
        quantize=quantize,
        ops=operators(path),
        not_built_in=lint(path),
    )


def verify(task, path, examples=None):
    """Run a file beside its Keras model.

    Args:
        task: the Task that the file was exported from, on any backend.
        path: str or path of the file, with its metadata.
        examples: dicts of arrays; default: `task.export_probes()`.

    Returns:
        Report.

    Raises:
        FileError, ModelError (ValueErrors): the file cannot be read or run.
    """
    from keras_selfattn.runtime import metadata
    from keras_selfattn.runtime.model_file import ModelFile

    found = inspect(path, metadata.read(path)["quantize"])
    signature = task.export_signature()
    model = ModelFile(path, signature.name, signature.inputs, signature.outputs)
    examples = task.export_probes() if examples is None else examples
    outputs = [model.run(**example) for example in examples]
    whole = compare(signature, task.reference_outputs, examples, outputs)
    typical, run_of = task.typical_input()
    return replace(
        found,
        equal=whole.equal,
        compared=whole.compared,
        agreement=whole.words,
        max_abs_difference=whole.max_abs_difference,
        values=whole.values,
        run_seconds=_run_seconds(model, typical),
        run_of=run_of,
        parts=_compare_parts(task, path, examples),
    )


def _compare_parts(task, path, examples):
    from keras_selfattn.runtime.model_file import ModelFile

    parts = {
        name: ModelFile(path, name, inputs, None)
        for name, (_, inputs) in task.export_parts().items()
    }

    def run(part, **arrays):
        return parts[part].run_rows(**arrays)

    found = {}
    for name, check in task.export_part_checks().items():
        given = examples if check.examples is None else check.examples
        outputs = [check.found(run, example) for example in given]
        found[name] = compare(check.signature, check.wanted, given, outputs)
    return found


def compare(signature, reference, examples, outputs):
    """Compare a file's outputs with the Keras model's.

    Args:
        signature: Signature, what these outputs are.
        reference: function of an example to what it should have given.
        examples: dicts of arrays, what the file was given, one at a time.
        outputs: dicts of arrays, what it gave.

    Returns:
        Agreement.
    """
    equal = compared = 0
    difference = 0.0
    for example, found in zip(examples, outputs, strict=True):
        wanted = reference(example)
        largest = 0.0
        for name in signature.outputs:
            if found[name].shape != wanted[name].shape:
                raise ValueError(
                    f"The file gives {name} of shape {found[name].shape} "
                    f"where Keras gives {wanted[name].shape}."
                )
            if name == signature.decisions:
                continue
            apart = np.abs(found[name] - wanted[name]).max()
            # Not max(): that would lose a NaN.
            largest = float(np.max([largest, apart]))
        difference = float(np.max([difference, largest]))
        if signature.tolerance is not None:
            alike = largest <= signature.tolerance
        else:
            alike = _decisions(signature, found) == _decisions(
                signature, wanted
            )
        equal += int(np.sum(alike))
        compared += int(np.size(alike))
    if set(signature.outputs) == {signature.decisions}:
        difference = None
    return Agreement(
        equal, compared, difference, signature.agreement, signature.values
    )


def _decisions(signature, outputs):
    if signature.decisions is not None:
        return outputs[signature.decisions]
    return np.argmax(outputs[signature.scores], axis=-1)


def _run_seconds(model, typical):
    model.run(**typical)  # allocates for this length
    times = []
    for _ in range(3):
        started = time.perf_counter()
        model.run(**typical)
        times.append(time.perf_counter() - started)
    return min(times)
