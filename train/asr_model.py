"""The models that `asr.py` trains: shapes, first weights, optimizer."""

from training_run import make_optimizer, say, warmup_cosine

from keras_selfattn.convert.whisper import WHISPER_TINY_STAGE

ARCHITECTURES = {
    "conformer": [{}],
    "transformer": [{"block": "transformer", "positions": "sinusoidal"}],
    # Whisper tiny's encoder gives 50 frames a second; one Conformer block at
    # half that rate turns them to letters.
    "whisper-conformer": [
        WHISPER_TINY_STAGE,
        {
            "strides": [2],
            "hidden_dim": 256,
            "num_layers": 1,
            "intermediate_dim": 1024,
            "kernel_size": 15,
        },
    ],
    # A few words: 0.3 M parameters.
    "keywords": [
        {
            "hidden_dim": 64,
            "num_layers": 3,
            "num_heads": 4,
            "intermediate_dim": 256,
            "kernel_size": 15,
        }
    ],
    "smoke": [
        {
            "hidden_dim": 16,
            "num_layers": 1,
            "num_heads": 2,
            "intermediate_dim": 32,
            "kernel_size": 3,
        }
    ],
}
FRONT_ENDS = ("log-mel", "mfcc", "mfcc-zcr-entropy")


def build_front_end(name):
    """The features of a front end's name; None: the recogniser's default."""
    from keras_selfattn import layers

    if name not in FRONT_ENDS:
        raise ValueError(
            f"--front-end {name} is unknown; use one of "
            f"{', '.join(FRONT_ENDS)}."
        )
    if name == "log-mel":
        return None
    parts, scales = [layers.MFCC(delta_order=2)], [0.1]
    if name == "mfcc-zcr-entropy":
        parts += [layers.ZeroCrossingRate(), layers.SpectralEntropy()]
        scales += [4.0, 2.0]
    return layers.JoinedFeatures(parts, scales)


def build_recognizer(args, texts):
    """Builds the model of the arguments, with its first weights."""
    from keras_selfattn.convert.whisper import load_whisper_encoder
    from keras_selfattn.layers import SpecAugment
    from keras_selfattn.models import ConformerEncoder
    from keras_selfattn.preprocessing import tokenizers
    from keras_selfattn.preprocessing.sentencepiece_tokenizer import (
        SentencePieceTokenizer,
    )
    from keras_selfattn.tasks import SpeechRecognizer
    from keras_selfattn.tasks.task import load_weight_file

    stages = [
        {**stage, "dropout": args.dropout}
        for stage in ARCHITECTURES[args.architecture]
    ]
    if args.layers:
        stages[-1]["num_layers"] = args.layers
    tokenizer = tokenizers.CharacterTokenizer()
    if args.words:
        tokenizer = tokenizers.WordTokenizer(args.words.split(","))
    if args.sentencepiece:
        tokenizer = SentencePieceTokenizer.train(texts, args.sentencepiece)
    streaming = None
    if args.chunk_frames:
        streaming = {
            "chunk_frames": list(args.chunk_frames),
            "left_frames": args.left_frames,
            "full_context_rate": args.full_context_rate,
        }
    front_end = build_front_end(args.front_end)
    recognizer = SpeechRecognizer(
        frontend=front_end,
        encoder=ConformerEncoder(
            80 if front_end is None else front_end.feature_dim,
            stages=stages,
            seed=args.seed,
            streaming=streaming,
        ),
        tokenizer=tokenizer,
        spec_augment={
            "class_name": SpecAugment.__name__,
            "config": {"seed": args.seed},
        },
    )
    if args.init == "whisper-tiny.en":
        copied = load_whisper_encoder(recognizer.encoder)
        say(f"{copied:,} parameters start from Whisper tiny.en's encoder.")
    elif args.init:
        load_weight_file(recognizer, args.init)
        say(f"All parameters start from {args.init}.")
    for layer in recognizer.encoder.layers:
        stage = layer.name.removeprefix("stage_").split("_")[0]
        if stage.isdigit() and int(stage) < args.freeze_stages:
            layer.trainable = False
    return recognizer


def compile_recognizer(args, recognizer, total_steps):
    """AdamW under a warmed-up cosine; no decay on biases and norms."""
    recognizer.compile(make_optimizer(args, warmup_cosine(args, total_steps)))


def choose_spec_augment(args, recognizer, epoch):
    """Turns SpecAugment on from the epoch where it begins."""
    augment = epoch >= args.spec_augment_from_epoch
    if recognizer.spec_augment.enabled != augment:
        recognizer.spec_augment.enabled = augment
        recognizer.make_train_function(force=True)
