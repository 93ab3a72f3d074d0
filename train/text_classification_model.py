"""The model that `train/text_classification.py` trains: its parts, built.

Shapes: `C` classes, `D` pooled features.
"""

from pathlib import Path

import numpy as np
from training_run import (
    fine_tuning_options,
    fitting_tokens,
    make_optimizer,
    say,
)

ARCHITECTURES = ("attention", "cnn", "rnn")


def build_tokenizer(args, texts):
    """The tokenizer of the arguments, with the texts' vocabulary."""
    from keras_selfattn.preprocessing.text_tokenizer import (
        TextTokenizer,
        load_stop_words,
    )
    from keras_selfattn.preprocessing.word_vectors import vector_words

    split = {"kind": args.split}
    if args.split == "words":
        split |= {"signs": True, "clitics": True}
    ngrams = None
    if args.ngrams:
        ngrams = {
            "orders": [int(order) for order in args.ngrams.split(",")],
            "num_buckets": args.ngram_buckets,
            "unit": args.ngram_unit,
        }
    also = ()
    if args.word_vectors and args.vector_words:
        also = vector_words(args.word_vectors, args.vector_words)
    return TextTokenizer.build(
        texts,
        args.vocabulary_size,
        args.min_count,
        also,
        split=split,
        cleaning={"lower": True, "html": args.html},
        stop_words=load_stop_words(args.stop_words) if args.stop_words else (),
        ngrams=ngrams,
        max_tokens=args.max_tokens,
        truncation=args.truncation,
    )


def build_encoder(args, vocabulary_size, fixed_dim=None):
    """The encoder of the arguments; `fixed_dim` features of word vectors."""
    from keras_selfattn.models import TextCNN, TextEncoder, TextRNN

    common = {
        "hidden_dim": args.hidden_dim,
        "dropout": args.dropout,
        "seed": args.seed + 10,
        "embedding_dim": args.embedding_dim or None,
        "fixed_dim": fixed_dim,
        "embedding_dropout": args.embedding_dropout,
        "name": "encoder",
    }
    if args.architecture == "cnn":
        return TextCNN(
            vocabulary_size,
            filters=args.filters or None,
            dilations=[1] * args.layers,
            **common,
        )
    if args.architecture == "rnn":
        return TextRNN(vocabulary_size, num_layers=args.layers, **common)
    attention = None
    if args.window:
        attention = {
            "kind": "local",
            "window": args.window,
            "right": args.window,
        }
    return TextEncoder(
        vocabulary_size,
        num_layers=args.layers,
        num_heads=args.heads,
        intermediate_dim=args.intermediate_dim or 2 * args.hidden_dim,
        positions=None if args.positions == "none" else args.positions,
        attention=attention,
        **common,
    )


def is_pretrained(init):
    """Whether `--init` names a whole model, not a weight file of this one."""
    return init.startswith("hf://") or Path(init).is_dir()


def build_pretrained(args, labels):
    """A classifier on the encoder that `--init` names."""
    from keras_selfattn import zoo
    from keras_selfattn.tasks.pretrained_classifier import pretrained_classifier

    if args.ngrams or args.word_vectors:
        raise ValueError(
            "--ngrams and --word-vectors are for encoders trained from "
            f"nothing; leave them out beside --init {args.init}."
        )
    task = zoo.load(args.init)
    say(f"The encoder and its tokenizer are those of {args.init}.")
    return pretrained_classifier(
        task,
        labels,
        max_tokens=fitting_tokens(args, task),
        encoder_dropout=args.dropout,
        html=args.html,
        truncation=args.truncation,
        pooling=args.pooling.split(","),
        dropout=args.head_dropout,
        word_dropout=args.word_dropout,
        seed=args.seed,
    )


def build_classifier(args, labels, texts):
    """The model of the arguments, with its first weights."""
    if args.init and is_pretrained(args.init):
        return build_pretrained(args, labels)
    from keras_selfattn.preprocessing.word_vectors import read_word_vectors
    from keras_selfattn.tasks import TextClassifier
    from keras_selfattn.tasks.task import load_weight_file

    tokenizer = build_tokenizer(args, texts)
    found = fixed_dim = None
    if args.word_vectors:
        found = read_word_vectors(args.word_vectors, tokenizer.vocabulary)
        say(f"{found}.")
        if args.tune_vectors:
            args.embedding_dim = found.matrix.shape[1]
        else:
            fixed_dim = found.matrix.shape[1]
    classifier = TextClassifier(
        labels,
        tokenizer,
        build_encoder(args, tokenizer.vocabulary_size, fixed_dim),
        pooling=args.pooling.split(","),
        dropout=args.head_dropout,
        word_dropout=args.word_dropout,
        ngram_dim=args.ngram_dim or len(labels),
        ngram_dropout=args.ngram_dropout,
        seed=args.seed,
    )
    if found is not None:
        if fixed_dim:
            # What is learned begins at nothing: it stays nothing for words
            # that have a vector but do not stand in the texts.
            table = classifier.encoder.get_layer("token_embedding").embeddings
            table.assign(np.zeros(table.shape, "float32"))
        classifier.set_word_vectors(found.matrix, trainable=args.tune_vectors)
    if args.init:
        load_weight_file(classifier, args.init)
        say(f"All parameters start from {args.init}.")
    return classifier


def start_from_linear(classifier, dataset, strength):
    """Makes the model a linear classifier of n-grams, to begin with.

    The n-grams' embeddings hold the weights, the head adds them up and takes
    nothing of the encoder yet.
    """
    from keras import ops

    from keras_selfattn.training.naive_bayes import linear_ngram_weights

    if classifier.tokenizer.ngrams is None:
        raise ValueError("--linear-start needs n-grams: give --ngrams 1,2.")
    table = classifier.get_layer("ngram_embedding").embeddings
    num_classes = len(classifier.labels)
    if table.shape[1] < num_classes:
        raise ValueError(
            f"--ngram-dim {table.shape[1]} is too few for --linear-start; it "
            f"needs one feature a class: {num_classes} or more."
        )
    values = np.array(ops.convert_to_numpy(table.value))
    values[:, :num_classes], bias = linear_ngram_weights(
        dataset.ngram_rows,
        dataset.class_ids,
        len(values),
        num_classes,
        strength,
    )
    table.assign(values)
    kernel, first = classifier.head.kernel, -values.shape[1]
    start = np.zeros(kernel.shape, "float32")  # (D + ngram_dim, C)
    last = first + num_classes or None
    start[first:last] = np.eye(num_classes)
    kernel.assign(start)
    classifier.head.bias.assign(bias)


def class_weights(counts):
    """A weight for each class, so that all count alike.

    The mean over examples is one: float `(C,)`.
    """
    counts = np.maximum(counts, 1)
    return counts.sum() / (len(counts) * counts)


def compile_classifier(args, classifier, total_steps):
    """AdamW under a warmed-up cosine; no decay on biases and norms.

    Args:
        args: the run's arguments.
        classifier: task.
        total_steps: int, batches of all epochs: what schedules count, also
            where a step is several batches.
    """
    from keras_selfattn.training.schedules import WarmupCosine

    rate = WarmupCosine(
        args.learning_rate, max(total_steps, 2), int(args.warmup * total_steps)
    )
    options = fine_tuning_options(args, classifier)
    optimizer = make_optimizer(args, rate, **options)
    classifier.compile(optimizer, label_smoothing=args.label_smoothing)
