"""How the training scripts start, train their epochs, and end.

Shared by `asr.py`, `causal_lm.py`, `hybrid_asr.py`, `masked_lm.py`,
`text_classification.py` and `translation.py`; here is also what they do to
fine-tune. The backend is chosen in `start`, so nothing above a function imports
Keras.
"""

import json
import math
import os
import sys
from types import SimpleNamespace

import typer


def say(text):
    """Prints to stderr at once."""
    print(text, file=sys.stderr, flush=True)


def option(text):
    """A typer option with its help text."""
    return typer.Option(help=text)


def start(run, options):
    """Calls `run` with the options; what a user can cause is one line.

    Args:
        run: function of the options as a namespace.
        options: dict, with "backend" among them (empty: Keras chooses).
    """
    if options["backend"]:
        os.environ["KERAS_BACKEND"] = options["backend"]
    try:
        run(SimpleNamespace(**options))
    except (ValueError, FloatingPointError, ImportError) as error:
        say(f"error: {error}")
        raise typer.Exit(2) from error


def prepare(args):
    """Random numbers, precision and the folder, as the arguments say."""
    import keras

    keras.utils.set_random_seed(args.seed)
    if args.mixed_precision:
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    args.out.mkdir(parents=True, exist_ok=True)


def adapt(args, model, encoder=None):
    """Freezes and adapts a model as the arguments say, before `compile`.

    Args:
        args: has `freeze`, `lora_rank`, `lora_alpha` and `lora_targets`.
        model: task.
        encoder: the layer of the model that adapters are for; what is
            outside of it is trained whole.
    """
    from keras_selfattn.training.fine_tuning import freeze
    from keras_selfattn.training.lora import (
        QUERY_AND_VALUE,
        add_lora,
        outside,
    )

    whole = model.count_params()
    if args.lora_rank:
        if args.freeze:
            raise ValueError(
                "--lora-rank freezes the encoder by itself; leave out --freeze."
            )
        paths = add_lora(
            model,
            args.lora_rank,
            args.lora_alpha or None,
            args.lora_targets or QUERY_AND_VALUE,
            outside(model, encoder),
            seed=args.seed,
        )
        say(f"Adapters of rank {args.lora_rank} in {len(paths)} layers.")
    elif args.freeze:
        freeze(model, args.freeze)
    if args.lora_rank or args.freeze:
        trained = sum(math.prod(v.shape) for v in model.trainable_variables)
        say(f"{trained:,} of {whole:,} parameters are trained.")


def fine_tuning_options(args, model):
    """Options of GuardedAdamW for `--accumulate` and `--layer-decay`."""
    from keras_selfattn.training.fine_tuning import layer_scales

    options = {}
    if args.accumulate > 1:
        options["gradient_accumulation_steps"] = args.accumulate
    if getattr(args, "layer_decay", 1.0) != 1.0:
        scales = layer_scales(model, args.layer_decay)
        options["learning_rate_scales"] = scales
    return options


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
        args: has `epochs`, `checkpoint_every`, `max_steps` and `name`, and
            may have `tensorboard` and `profile`; kept as the folder's
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
    from keras_selfattn.training.checkpoint import (
        restore_checkpoint,
        save_checkpoint,
    )
    from keras_selfattn.training.curves import plot_curves
    from keras_selfattn.training.epoch_runs import (
        checkpoint_file,
        epoch_file,
        fit_epoch,
        keep_arguments,
    )
    from keras_selfattn.training.run_logs import RunLogs

    checkpoint = checkpoint_file(folder)
    first_epoch, first_batch, history = 0, 0, []
    keep_arguments(folder, vars(args), checkpoint.is_file(), say)
    logs = RunLogs(
        folder,
        getattr(args, "tensorboard", False),
        getattr(args, "profile", 0),
        say,
    )
    if checkpoint.is_file():
        first_epoch, first_batch, history = restore_checkpoint(
            checkpoint, model
        )
        say(f"Going on with epoch {first_epoch}, batch {first_batch}.")
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
            callbacks=logs.callbacks(epoch, first_batch),
            **fit_options,
        )
        row |= score(row)
        say(json.dumps(row))
        history.append(row)
        logs.write_epochs(history)
        first_batch = 0
        save_weight_file(model, epoch_file(folder, epoch), "float32")
        save_checkpoint(checkpoint, model, epoch + 1, 0, history)
        plot_curves(
            history, folder / "curves.png", args.name or folder.name, loss_label
        )
    return history


def load_mean(model, folder, epochs):
    """Gives the model the mean of the epochs' weights, kept in the folder."""
    from keras_selfattn.tasks.task import load_weight_file
    from keras_selfattn.training.averaging import average_weight_files
    from keras_selfattn.training.epoch_runs import epoch_file

    averaged = folder / "averaged.safetensors"
    average_weight_files([epoch_file(folder, i) for i in epochs], averaged)
    load_weight_file(model, averaged)


def keep_result(args, task, score, say, **preset):
    """Makes the mean of the last epochs' weights a preset, and says how good.

    Args:
        args: has `epochs`, `average`, `out` and `name`.
        task: the trained task, which takes the mean.
        score: function that gives a dict of its figures.
        say: function of a line of text.
        **preset: more of what `save_preset` takes.

    Returns:
        dict, the figures.
    """
    last = list(range(max(0, args.epochs - args.average), args.epochs))
    load_mean(task, args.out, last)
    figures = score()
    say(json.dumps({"averaged_epochs": last, **figures}))
    folder = args.out / "preset"
    task.save_preset(folder, name=args.name or args.out.name, **preset)
    say(f"The preset is in {folder}.")
    return figures
