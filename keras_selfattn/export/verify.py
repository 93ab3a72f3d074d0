"""Checks an exported file: operators, outputs against Keras, size, speed."""

import os
import time
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np

from keras_selfattn.export.lint import lint, operators

# Of a float file that gives decisions only; the rest may be near ties.
LEAST_AGREEMENT = 0.95


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
            are no decisions (log-probabilities); None where nothing was
            compared.
        run_seconds: float, time of one run on one thread; None where not
            measured.
        run_of: str, what that run was given ("10 s of sound").
        parts: dict of the name of a part that was held against Keras, too, to
            (equal, compared, largest difference or None).
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
            parts.append(
                self._words(self.equal, self.compared, self.max_abs_difference)
            )
        for name, found in self.parts.items():
            parts.append(f"{name}: {self._words(*found)}")
        if self.run_seconds is not None:
            parts.append(f"{1000 * self.run_seconds:.2f} ms for {self.run_of}")
        return "; ".join(parts)

    def _words(self, equal, compared, difference):
        within = ""
        if difference is not None:
            within = f" (log-probabilities within {difference:.2g})"
        return f"{equal} of {compared} {self.agreement}{within}"


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
    equal, compared, difference = compare(task, examples, outputs)
    steps = task.compare_parts(
        lambda name, inputs, outputs: ModelFile(path, name, inputs, outputs)
    )
    if steps is not None:
        equal, compared = equal + steps[0], compared + steps[1]
        difference = float(np.max([difference or 0.0, steps[2]]))
    typical, run_of = task.typical_input()
    parts = {}
    for name, (drive, reference) in task.export_part_checks().items():
        part = ModelFile(path, name, task.export_parts()[name][1], None)
        outputs = [drive(part.run_rows, example) for example in examples]
        parts[name] = compare(task, examples, outputs, reference)
    return replace(
        found,
        equal=equal,
        compared=compared,
        agreement=signature.agreement,
        max_abs_difference=difference,
        run_seconds=_run_seconds(model, typical),
        run_of=run_of,
        parts=parts,
    )


def compare(task, examples, outputs, reference=None):
    """Compare a file's outputs with the Keras model's.

    Args:
        task: the Task.
        examples: dicts of arrays, what the file was given, one at a time.
        outputs: dicts of arrays, what it gave.
        reference: function of an example to what it should have given;
            default: `task.reference_outputs`.

    Returns:
        int decisions that are equal, int decisions compared, and the largest
        difference of the floats, NaN if any is not finite; None where all
        outputs are decisions.
    """
    signature = task.export_signature()
    equal = compared = 0
    difference = 0.0
    for example, found in zip(examples, outputs, strict=True):
        wanted = (reference or task.reference_outputs)(example)
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
            difference = float(np.max([difference, apart]))
        alike = _decisions(signature, found) == _decisions(signature, wanted)
        equal += int(np.sum(alike))
        compared += int(np.size(alike))
    if set(signature.outputs) == {signature.decisions}:
        return equal, compared, None
    return equal, compared, difference


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
