"""What a task says of the file that it exports. Standard library only.

A task that can be exported has, beside `export_signature`:

- `export_metadata()`: dict of JSON-able values that a host must know.
- `export_outputs(inputs)`: the outputs from a dict of batched tensors, in
  `keras.ops`; this is what becomes the file.
- `reference_outputs(inputs)`: the same from arrays of one example, as arrays,
  by the task's own way of being called; the file is held against it.
- `export_probes()`: list of dicts of arrays, examples of awkward lengths.
- `typical_input()`: one example, and what it is ("10 s of sound"), to time.
- `calibration_inputs(items)`: what int8 sees, from what a user gives.

The arrays of an example have no batch axis. Where there are more signatures
than that one, `export_parts()` has them and `export_part_checks()` says how
they are held against the model.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Signature:
    """Name, inputs and outputs of an exported file.

    Args:
        name: of the signature ("transcribe").
        inputs: dict of name to dtype; each `(1, length)` in a .tflite file,
            `(B, length)` in a SavedModel, any length, then `item_shape`.
        outputs: dict of name to dtype.
        agreement: what is counted where file and Keras decide alike.
        decisions: name of the int output that holds the decisions, or None:
            the largest of `scores`.
        scores: name of the output of log-probabilities.
        lengths: name of an int32 input `(B,)` of a SavedModel, the valid
            length of each row; a .tflite file takes whole rows. None where
            padding shows by itself.
        float_layers: names of layers that are never quantised.
        item_shape: tuple of int, what stands at each place of an input; ()
            for a number.
        shapes: dict of an input's name to its shape behind the batch axis,
            where inputs are not sequences: every batch size works then, in a
            .tflite file too. None: sequences, as above.
        tolerance: float; where a file has neither decisions nor scores, an
            example is alike where no output differs by more.
        values: str, what the outputs that are no decisions are called.
    """

    name: str
    inputs: dict
    outputs: dict
    agreement: str
    decisions: str | None = None
    scores: str = "log_probabilities"
    lengths: str | None = None
    float_layers: tuple = ()
    item_shape: tuple = ()
    shapes: dict | None = None
    tolerance: float | None = None
    values: str = "log-probabilities"


@dataclass(frozen=True)
class PartCheck:
    """How one or more parts of a file are held against the Keras model.

    Args:
        signature: Signature whose outputs, decisions or scores, and words of
            agreement are those of what is compared; not always one part's.
        found: function of `run` and an example to a dict of arrays: what the
            file makes of it. `run(part, **arrays)` runs one of the parts, with
            arrays as it takes and gives them.
        wanted: function of an example to what it should have made of it.
        examples: list of dicts of arrays; None: those of the whole file.
    """

    signature: Signature
    found: Callable
    wanted: Callable
    examples: list | None = None
