"""What a training will need: memory, time and communication, estimated.

    python train/plan.py --architecture conformer --hours 960 --epochs 50 \
        --batch 1280 --devices 8 --kind h100
    python train/plan.py --preset asr --hours 100 --kind l4
    python train/plan.py --hidden-dim 512 --layers 6 --heads 8 \
        --vocabulary 32000 --tokens 1e9 --batch 65536 --kind a100

A model of sound is an architecture of `asr.py` or a preset, or a number of
blocks with --hours; one of text is a number of blocks with --tokens. How it is
counted, and how near it comes, stands in docs/scaling.md; `plan_check.py`
measures the same here.
"""

import json
import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated

import typer
from asr_model import ARCHITECTURES
from training_run import option, say

FRAMES_PER_SECOND, FEATURES = 100, 80
# What torch keeps beyond what is counted: results of dropout, parts of norms
# and activations. Measured by plan_check.py (1.95 and 1.86).
KEPT_BESIDES = 1.9


@dataclass(frozen=True)
class Device:
    """Peak dense FLOP/s in bfloat16 and float32, memory and link.

    `link` is bytes a second to its neighbours in one direction: half of what
    the sources call bidirectional.
    """

    bfloat16: float
    float32: float
    memory: float
    link: float
    source: str


DEVICES = {
    "a100": Device(312e12, 19.5e12, 80e9, 300e9, "NVIDIA A100 80GB SXM"),
    "h100": Device(989e12, 67e12, 80e9, 450e9, "NVIDIA H100 SXM"),
    "h200": Device(989e12, 67e12, 141e9, 450e9, "NVIDIA H200 SXM"),
    "l4": Device(121e12, 30.3e12, 24e9, 32e9, "NVIDIA L4, PCIe 4.0 x16"),
    "v5e": Device(197e12, 197e12 / 3, 16e9, 200e9, "Google Cloud TPU v5e"),
}


@dataclass(frozen=True)
class Costs:
    """Of one place (frame or token) of a model, and of the whole.

    Attributes:
        parameters: float.
        flops: float, multiplications and additions of a forward pass for one
            second of sound or one token, attention left out.
        pairs: float, those of attention for it, a place of context.
        kept: float, numbers kept for the backward pass for it.
        scores: float, numbers kept a place of context where the scores of
            attention are kept, too.
    """

    parameters: float = 0.0
    flops: float = 0.0
    pairs: float = 0.0
    kept: float = 0.0
    scores: float = 0.0

    def plus(self, other, rate=1.0):
        """These and others', of which there are `rate` a second or token."""
        return Costs(
            self.parameters + other.parameters,
            self.flops + rate * other.flops,
            # A context of so many seconds has `rate` times as many places.
            self.pairs + rate * rate * other.pairs,
            self.kept + rate * other.kept,
            self.scores + rate * rate * other.scores,
        )


def block_costs(stage):
    """Costs of one block: its weights are its multiplications."""
    dim, inner = stage["hidden_dim"], stage["intermediate_dim"]
    attention, network = 4 * dim * dim, 2 * dim * inner
    pairs, scores = 4 * dim, 2 * stage["num_heads"]
    if stage["block"] == "conformer":
        convolution = 3 * dim * dim + stage["kernel_size"] * dim
        matrices = attention + 2 * network + convolution
        # Biases and norms: attention, two networks, convolution, the block's.
        vectors = 4 * dim + 2 * (inner + dim) + 4 * dim + 12 * dim
        return Costs(
            matrices + vectors,
            2 * matrices,
            pairs,
            18 * dim + 4 * inner,
            scores,
        )
    matrices = attention + network
    vectors = 4 * dim + inner + dim + 4 * dim
    return Costs(
        matrices + vectors, 2 * matrices, pairs, 8 * dim + 2 * inner, scores
    )


def speech_costs(stages, classes=30):
    """Costs of an encoder of sound, for a second of it."""
    total, rate, features = Costs(), FRAMES_PER_SECOND, FEATURES
    for stage in stages:
        dim = stage["hidden_dim"]
        for stride in stage["strides"]:
            rate /= stride
            matrix = 3 * features * dim
            conv = Costs(matrix + dim, 2 * matrix, 0, features + 2 * dim)
            total = total.plus(conv, rate)
            features = dim
        for _ in range(stage["num_layers"]):
            total = total.plus(block_costs(stage), rate)
        total = total.plus(Costs(2 * dim, 0, 0, 2 * dim), rate)
    head = Costs((dim + 1) * classes, 2 * dim * classes, 0, 2 * classes)
    return total.plus(head, rate)


def text_costs(stage, vocabulary):
    """Costs of blocks between an embedding and a prediction, for a token."""
    dim, total = stage["hidden_dim"], Costs()
    for _ in range(stage["num_layers"]):
        total = total.plus(block_costs(stage))
    ends = 2 * vocabulary * dim + vocabulary
    return total.plus(Costs(ends, 2 * vocabulary * dim, 0, 2 * vocabulary))


def plan(costs, args, device):
    """The estimates, a dict; all sizes in bytes, all times in seconds.

    Args:
        costs: Costs for a second or a token.
        args: has `batch` and `length` (seconds or tokens), `amount` (of an
            epoch), `epochs`, `devices`, `precision`, `utilisation` and
            `fused`.
        device: Device.
    """
    width = 2 if args.precision == "bfloat16" else 4
    share = args.batch / args.devices
    kept = costs.kept + costs.scores * args.length * (not args.fused)
    # Forward once, backward twice as much.
    flops = 3 * args.batch * (costs.flops + costs.pairs * args.length)
    steps = math.ceil(args.epochs * args.amount / args.batch)
    peak = getattr(device, args.precision)
    compute = flops / args.devices / (peak * args.utilisation)
    gradients = 4 * costs.parameters
    sent = 2 * (args.devices - 1) / args.devices * gradients
    found = {
        "parameters": costs.parameters,
        "weights": 4 * costs.parameters,
        "gradients": gradients,
        "moments": 8 * costs.parameters,
        "activations": KEPT_BESIDES * kept * width * share,
        "flops": flops,
        "steps": steps,
        "compute_seconds": compute,
        "sent": sent,
        "communication_seconds": sent / device.link,
    }
    names = ("weights", "gradients", "moments", "activations")
    found["memory"] = sum(found[name] for name in names)
    found["step_seconds"] = compute + found["communication_seconds"]
    found["total_seconds"] = steps * found["step_seconds"]
    return found


def stages_of(args):
    """Stages of the arguments' model, defaults filled in."""
    from keras_selfattn.models.conformer import complete_stage

    if args.preset:
        from keras_selfattn import zoo

        path = zoo.resolve(args.preset) / "preset.json"
        config = json.loads(path.read_text("utf-8"))["config"]
        encoder = config.get("encoder", {}).get("config", {})
        if "stages" not in encoder:
            raise ValueError(
                f"--preset {args.preset} is not a recogniser; give --hidden-dim"
                " and --layers of its blocks."
            )
        return [complete_stage(stage) for stage in encoder["stages"]]
    if args.architecture:
        if args.architecture not in ARCHITECTURES:
            raise ValueError(
                f"--architecture {args.architecture} is unknown; use one of "
                f"{', '.join(ARCHITECTURES)}."
            )
        return [complete_stage(s) for s in ARCHITECTURES[args.architecture]]
    if not (args.hidden_dim and args.layers):
        raise ValueError(
            "no model: give --architecture, --preset, or --hidden-dim and "
            "--layers."
        )
    return [
        complete_stage(
            {
                "hidden_dim": args.hidden_dim,
                "num_layers": args.layers,
                "num_heads": args.heads,
                "intermediate_dim": args.intermediate_dim
                or 4 * args.hidden_dim,
                "block": args.block,
            }
        )
    ]


def report(found, args, device):
    """The estimates as lines of text."""
    unit = "seconds of sound" if args.hours else "tokens"

    def gigabytes(name):
        return f"{found[name] / 1e9:.2f} GB"

    room = "fits" if found["memory"] < 0.9 * device.memory else "DOES NOT FIT"
    hours = found["total_seconds"] / 3600
    return [
        f"{found['parameters'] / 1e6:,.1f} M parameters; {args.devices} x "
        f"{device.source}, {args.precision}.",
        f"Memory a device: weights {gigabytes('weights')}, gradients "
        f"{gigabytes('gradients')}, Adam's moments {gigabytes('moments')}, "
        f"activations {gigabytes('activations')}; {gigabytes('memory')} of "
        f"{device.memory / 1e9:.0f} GB: {room}.",
        f"A step of {args.batch:,.0f} {unit}: {found['flops'] / 1e12:,.2f} "
        f"TFLOP, {1000 * found['compute_seconds']:,.1f} ms at "
        f"{100 * args.utilisation:.0f} % of the peak, and "
        f"{found['sent'] / 1e6:,.1f} MB sent a device (ring all-reduce), "
        f"{1000 * found['communication_seconds']:,.2f} ms.",
        f"{found['steps']:,} steps: {hours:,.1f} h, "
        f"{hours * args.devices:,.1f} device hours.",
    ]


def run(args):
    """The whole work of the arguments; see `main`."""
    if bool(args.hours) == bool(args.tokens):
        raise ValueError("give one of --hours and --tokens.")
    if args.kind not in DEVICES:
        raise ValueError(
            f"--kind {args.kind} is unknown; use one of {', '.join(DEVICES)}."
        )
    if args.precision not in ("bfloat16", "float32"):
        raise ValueError(
            f"--precision {args.precision}: expected bfloat16 or float32."
        )
    if min(args.devices, args.epochs) < 1 or not 0 < args.utilisation <= 1:
        raise ValueError(
            "expected --devices and --epochs of at least 1, and a "
            "--utilisation above 0 and up to 1."
        )
    stages = stages_of(args)
    if args.hours:
        costs, args.amount = speech_costs(stages), 3600 * args.hours
    else:
        costs = text_costs(stages[-1], args.vocabulary)
        args.amount = args.tokens
    args.batch = args.batch or (64.0 if args.hours else 4096.0)
    args.length = args.length or (10.0 if args.hours else 128.0)
    device = DEVICES[args.kind]
    for line in report(plan(costs, args, device), args, device):
        say(line)


def main(
    architecture: Annotated[str, option("of asr.py")] = "",
    preset: Annotated[str, option("a recogniser of the zoo")] = "",
    hidden_dim: Annotated[int, option("of blocks of your own")] = 0,
    layers: int = 0,
    heads: int = 8,
    intermediate_dim: Annotated[int, option("0: 4 * hidden_dim")] = 0,
    block: Annotated[str, option("transformer or conformer")] = "transformer",
    vocabulary: Annotated[int, option("of a model of text")] = 32000,
    hours: Annotated[float, option("of speech")] = 0.0,
    tokens: Annotated[float, option("of text")] = 0.0,
    epochs: int = 20,
    batch: Annotated[
        float, option("seconds or tokens of a step; 0: 64 s, 4,096 tokens")
    ] = 0.0,
    length: Annotated[
        float, option("seconds or tokens of an example; 0: 10 s, 128 tokens")
    ] = 0.0,
    devices: int = 1,
    kind: Annotated[str, option(", ".join(DEVICES))] = "h100",
    precision: Annotated[str, option("bfloat16 or float32")] = "bfloat16",
    utilisation: Annotated[float, option("of the peak, assumed")] = 0.3,
    fused: Annotated[bool, option("attention keeps no scores")] = True,
):
    """Says what a training will need."""
    values = locals()
    try:
        run(SimpleNamespace(**values))
    except ValueError as error:
        say(f"error: {error}")
        raise typer.Exit(2) from error


if __name__ == "__main__":
    typer.run(main)
