"""How the training scripts start, train their epochs, and end.

Shared by `asr.py`, `causal_lm.py`, `hybrid_asr.py`, `masked_lm.py`,
`text_classification.py`, `text_to_text.py`, `translation.py` and
`whisper_asr.py`. The backend is chosen in `start`, so nothing above a function
imports Keras.

With `--num-processes N` a script starts itself N times; under torchrun, Slurm
and the like it finds out by itself. All processes run the same lines up to the
end of `train_epochs`, where the first goes on alone and the others wait for it:
only the first writes, measures and speaks. See docs/distribution.md.
"""

import inspect
import json
import os
import sys
from types import SimpleNamespace
from typing import Annotated

import typer


def say(text):
    """Prints to stderr at once; of several processes only the first does."""
    if _process.is_first:
        print(text, file=sys.stderr, flush=True)


def option(text):
    """A typer option with its help text."""
    return typer.Option(help=text)


def _shared(
    backend: Annotated[str, option("torch, jax or tensorflow")] = "",
    distribution: Annotated[
        str,
        option("data_parallel, model_parallel (JAX), none; empty: as started"),
    ] = "",
    num_processes: Annotated[
        int, option("to start here, which share each batch")
    ] = 1,
    mixed_precision: Annotated[bool, option("bfloat16 products")] = False,
    checkpoint_every: Annotated[int, option("steps")] = 200,
    max_steps: Annotated[int, option("of each epoch; 0: all")] = 0,
    tensorboard: Annotated[bool, option("logs for TensorBoard")] = False,
    profile: Annotated[int, option("steps to trace once; 0: none")] = 0,
    seed: int = 0,
):
    """The options that every training script has."""


def training_options(run, *groups, **defaults):
    """Makes a script's `main` a command with what all of them share.

    Args:
        run: function of the options as a namespace, the work.
        *groups: functions whose parameters are options of several scripts.
        **defaults: other defaults of shared options.

    Returns:
        decorator of a function whose parameters are the script's own options.
    """

    def decorate(main):
        own = inspect.signature(main)
        parameters = list(own.parameters.values())
        parameters += [
            parameter.replace(default=defaults.get(name, parameter.default))
            for group in (*groups, _shared)
            for name, parameter in inspect.signature(group).parameters.items()
        ]
        # Those without a default come first.
        parameters.sort(key=lambda p: p.default is not p.empty)
        signature = own.replace(parameters=parameters)

        def command(*args, **kwargs):
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            start(run, dict(bound.arguments))

        command.__doc__ = main.__doc__
        command.__signature__ = signature
        command.__annotations__ = {p.name: p.annotation for p in parameters}
        return command

    return decorate


def start(run, options):
    """Calls `run` with the options; what a user can cause is one line.

    Args:
        run: function of the options as a namespace.
        options: dict, with "backend" among them (empty: Keras chooses).
    """
    global _process
    from keras_selfattn.training.launch import (
        die_with_launcher,
        is_launched,
        launch,
    )

    if options["backend"]:
        os.environ["KERAS_BACKEND"] = options["backend"]
    if is_launched():
        die_with_launcher()
    elif options.get("num_processes", 1) > 1:
        command = [sys.executable, *sys.orig_argv[1:]]
        if status := launch(options["num_processes"], command, say):
            raise typer.Exit(status)
        return
    args = SimpleNamespace(**options)
    _process = SimpleNamespace(is_first=True)
    errors = (ValueError, FloatingPointError, ImportError, OSError)
    try:
        if "distribution" in options:
            _process = set_up(args)
        try:
            run(args)
        except WorkIsDone:
            pass
        if "distribution" in options:
            _process.finish()
    except errors as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        raise typer.Exit(2) from error


class WorkIsDone(Exception):
    """Ends `run` in all processes but the first, when the epochs are done."""


_process = SimpleNamespace(is_first=True)


def set_up(args):
    """The Distribution that the arguments and the environment ask for."""
    from keras_selfattn.training.cluster import read_cluster
    from keras_selfattn.training.distribution import distribute

    cluster = read_cluster()
    strategy = args.distribution or ("data_parallel" if cluster else "none")
    if strategy != "none" and (
        getattr(args, "folds", 0) or getattr(args, "folds_by_split", False)
    ):
        raise ValueError(
            "--folds trains one model after another, each on one device; "
            "leave out --distribution and --num-processes."
        )
    found = distribute(strategy, cluster)
    if strategy != "none" and found.is_first:
        say(found.describe())
    return found


def prepare(args):
    """Random numbers, precision and the folder, as the arguments say."""
    import keras

    keras.utils.set_random_seed(args.seed)
    if args.mixed_precision:
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    args.out.mkdir(parents=True, exist_ok=True)


def fine_tuning_options(args, model):
    """Options of GuardedAdamW for what a script has of these.

    `--accumulate`, `--layer-decay`, `--scale-parameter`.
    """
    from keras_selfattn.training.fine_tuning import layer_scales, size_scales

    options = {}
    if getattr(args, "accumulate", 1) > 1:
        options["gradient_accumulation_steps"] = args.accumulate
    if getattr(args, "layer_decay", 1.0) != 1.0:
        scales = layer_scales(model, args.layer_decay)
        options["learning_rate_scales"] = scales
    elif getattr(args, "scale_parameter", False):
        options["learning_rate_scales"] = size_scales(model)
    return options


def fitting_tokens(args, pretrained):
    """`args.max_tokens`, or as many as the pretrained encoder has room for."""
    encoder = getattr(pretrained, "encoder", None)
    return min(args.max_tokens, getattr(encoder, "room", args.max_tokens))


def make_optimizer(args, rate, **options):
    """AdamW that leaves out steps that are not finite, as all scripts use it.

    Biases and norms do not decay.

    Args:
        args: has `weight_decay` and `clip_norm`.
        rate: float or schedule.
        **options: more of GuardedAdamW; `beta_2` is 0.98 without.
    """
    from keras_selfattn.training.guarded_adamw import GuardedAdamW

    optimizer = GuardedAdamW(
        rate,
        weight_decay=args.weight_decay,
        global_clipnorm=args.clip_norm,
        **{"beta_2": 0.98, **options},
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def warmup_cosine(args, total_steps, *final_factor):
    """A cosine over all steps behind `args.warmup_steps` of them, or fewer."""
    from keras_selfattn.training.schedules import WarmupCosine

    warmup_steps = min(args.warmup_steps, total_steps - 1)
    return WarmupCosine(
        args.learning_rate, total_steps, warmup_steps, *final_factor
    )


def train_epochs(
    args,
    folder,
    model,
    dataset,
    score,
    say,
    before=lambda epoch, history: False,
    loss_label="loss",
    **fit_options,
):
    """Trains the epochs that are left; a killed run goes on where it was.

    After each, its figures are said, and its weights, a checkpoint, the
    curves and the tables of `run_logs` are written.

    Args:
        args: has `epochs`, `checkpoint_every`, `max_steps`, `tensorboard`,
            `profile` and `name`; kept as the folder's
            `arguments.json`.
        folder: path of the run.
        model: compiled task.
        dataset: see `fit_epoch`.
        score: function of an epoch's row (its number, loss and seconds) that
            gives a dict of more figures.
        say: function of a line of text.
        before: function of an epoch and the rows before it, called before
            the epoch; training ends where it gives True.
        loss_label: str, the losses' axis.
        **fit_options: more arguments of `fit`.

    Returns:
        list of dict, a row an epoch.
    """
    from keras_selfattn.tasks.task import save_weight_file
    from keras_selfattn.training.callbacks import read_rows
    from keras_selfattn.training.checkpoint import save_checkpoint
    from keras_selfattn.training.curves import plot_curves
    from keras_selfattn.training.distribution import current
    from keras_selfattn.training.epoch_runs import (
        checkpoint_file,
        epoch_file,
        fit_epoch,
    )
    from keras_selfattn.training.run_logs import RunLogs

    process = current()
    check_processes(args, process, model, dataset)
    first_epoch, first_batch, history = process.prepare(
        model, lambda: go_on(args, folder, model, say)
    )
    logs = None
    if process.is_first:
        logs = RunLogs(folder, args.tensorboard, args.profile, say)
    for epoch in range(first_epoch, args.epochs):
        if before(epoch, history):
            break
        row = fit_epoch(
            model,
            dataset,
            folder,
            epoch,
            first_batch,
            history,
            args.checkpoint_every,
            args.max_steps,
            callbacks=logs.callbacks(epoch, first_batch) if logs else (),
            **fit_options,
        )
        with process.alone(model):
            row = process.from_first(lambda row=row: row | score(row))
        say(json.dumps(row))
        history.append(row)
        first_batch = 0
        if not process.is_first:
            continue
        logs.write_epochs(history)
        save_weight_file(model, epoch_file(folder, epoch), "float32")
        save_checkpoint(checkpoint_file(folder), model, epoch + 1, 0, history)
        plot_curves(
            history,
            folder / "curves.png",
            args.name or folder.name,
            loss_label,
            read_rows(folder / "steps.jsonl"),
        )
    process.leave(model)
    if not process.is_first:
        raise WorkIsDone
    return history


def check_processes(args, process, model, dataset):
    """A ValueError where processes differ in arguments, model or data."""
    from keras_selfattn.training.distribution import batch_digest, model_facts

    if process.size == 1:
        return
    dataset.set_epoch(0)
    process.agree(
        {
            "the arguments": vars(args),
            "the model's variables": model_facts(model),
            "the number of batches": len(dataset),
            "the first batch": batch_digest(dataset[0]),
        }
    )


def go_on(args, folder, model, say):
    """Restores the newest checkpoint of a run, if it has one.

    Returns:
        epoch and batch to go on with, the rows of the epochs before.
    """
    from keras_selfattn.training.checkpoint import (
        has_checkpoint,
        restore_newest,
    )
    from keras_selfattn.training.epoch_runs import (
        checkpoint_file,
        keep_arguments,
    )

    checkpoint = checkpoint_file(folder)
    going_on = has_checkpoint(checkpoint)
    keep_arguments(folder, vars(args), going_on, say)
    if not going_on:
        return 0, 0, []
    epoch, batch, history = restore_newest(checkpoint, model, say)
    say(f"Going on with epoch {epoch}, batch {batch}.")
    return epoch, batch, history


def load_mean(model, folder, epochs):
    """Gives the model the mean of the epochs' weights, kept in the folder."""
    from keras_selfattn.tasks.task import load_weight_file
    from keras_selfattn.training.averaging import average_weight_files
    from keras_selfattn.training.epoch_runs import epoch_file

    averaged = folder / "averaged.safetensors"
    average_weight_files([epoch_file(folder, i) for i in epochs], averaged)
    load_weight_file(model, averaged)


def keep_result(args, task, score, say, finish=lambda task: task, **preset):
    """Makes the mean of the last epochs' weights a preset, and says how good.

    Args:
        args: has `epochs`, `average`, `out` and `name`.
        task: the trained task, which takes the mean.
        score: function that gives a dict of its figures.
        say: function of a line of text.
        finish: function of the task that gives the one that is kept.
        **preset: more of what `save_preset` takes.

    Returns:
        dict, the figures.
    """
    last = list(range(max(0, args.epochs - args.average), args.epochs))
    load_mean(task, args.out, last)
    figures = score()
    say(json.dumps({"averaged_epochs": last, **figures}))
    folder, name = args.out / "preset", args.name or args.out.name
    finish(task).save_preset(folder, name=name, **preset)
    say(f"The preset is in {folder}.")
    return figures
