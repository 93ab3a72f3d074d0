"""Measures on this machine what `plan.py` estimates: one thread, real steps.

    KERAS_BACKEND=torch python train/plan_check.py --architecture conformer

Seconds are those of the processor, so that other work on the machine does not
count; the peak is that of a large product of matrices, measured here as well.
"""

import statistics
import time
from types import SimpleNamespace
from typing import Annotated

import typer
from asr_model import ARCHITECTURES
from plan import Device, plan, say, speech_costs
from training_run import option


def peak_flops(size=1536, repetitions=4):
    """FLOP/s of a float32 product of matrices, of processor time."""
    from keras import ops

    a = ops.ones((size, size), "float32")
    float(ops.matmul(a, a)[0, 0])
    start = time.process_time()
    for _ in range(repetitions):
        float(ops.matmul(a, a)[0, 0])
    return 2 * size**3 * repetitions / (time.process_time() - start)


def measure(architecture, batch, length, steps):
    """Parameters, bytes beyond Keras itself, and seconds of a step.

    Args:
        architecture: str.
        batch: float, seconds of sound of a step.
        length: float, seconds of an utterance.
        steps: int, behind the first.
    """
    import keras
    import numpy as np

    from keras_selfattn import measuring
    from keras_selfattn.models import ConformerEncoder
    from keras_selfattn.tasks import SpeechRecognizer

    keras.utils.set_random_seed(0)
    measuring.release()
    measuring.reset_peak()
    before = measuring.resident_bytes()
    encoder = ConformerEncoder(80, stages=ARCHITECTURES[architecture])
    model = SpeechRecognizer(encoder=encoder)
    model.compile(keras.optimizers.AdamW(1e-4))
    rows = max(1, round(batch / length))
    draw = np.random.default_rng(0).normal

    def step(rows):
        samples = 0.1 * draw(size=(rows, int(16000 * length)))
        inputs = {
            "samples": samples.astype("float32"),
            "num_samples": np.full(rows, samples.shape[1], "int32"),
        }
        labels = np.tile(np.arange(1, 26, dtype="int32"), (rows, 1))
        start = time.process_time()
        float(np.asarray(model.train_on_batch(inputs, labels)))
        return time.process_time() - start

    step(rows)
    seconds = statistics.median(step(rows) for _ in range(steps))
    memory = measuring.peak_bytes() - before
    step(3 * rows)
    more = measuring.peak_bytes() - before - memory
    return {
        "parameters": model.count_params(),
        "memory": memory,
        # What two batches more need: nothing else grows with them.
        "activations": more / 2,
        "step_seconds": seconds,
    }


def main(
    architecture: Annotated[str, option(", ".join(ARCHITECTURES))],
    batch: Annotated[float, option("seconds of sound of a step")] = 32.0,
    length: Annotated[float, option("seconds of an utterance")] = 8.0,
    steps: Annotated[int, option("measured")] = 3,
):
    """Prints estimated and measured figures side by side."""
    from keras_selfattn.models.conformer import complete_stage

    stages = [complete_stage(stage) for stage in ARCHITECTURES[architecture]]
    peak = peak_flops()
    args = SimpleNamespace(
        batch=batch,
        length=length,
        amount=batch,
        epochs=1,
        devices=1,
        precision="float32",
        utilisation=1.0,
        fused=True,
    )
    device = Device(peak, peak, 0.0, 1.0, "this machine")
    guess = plan(speech_costs(stages), args, device)
    found = measure(architecture, batch, length, steps)
    for name, unit, scale in (
        ("parameters", "M", 1e-6),
        ("memory", "MB", 1e-6),
        ("activations", "MB", 1e-6),
        ("step_seconds", "s", 1),
    ):
        say(
            f"{name}: estimated {scale * guess[name]:.2f} {unit}, measured "
            f"{scale * found[name]:.2f} {unit}"
        )
    used = guess["step_seconds"] / found["step_seconds"]
    say(f"utilisation: {100 * used:.0f} % of {peak / 1e9:.0f} GFLOP/s")


if __name__ == "__main__":
    typer.run(main)
