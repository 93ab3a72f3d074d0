"""Trainings of a second or two: a task and its data, the same everywhere.

The first weights are drawn from the variables' names, so they are the same on
all backends; there is no dropout.
"""

import numpy as np

from keras_selfattn.data.feature_corpora import FeatureExample
from keras_selfattn.data.feature_dataset import FeatureDataset
from keras_selfattn.data.text_dataset import TextDataset
from keras_selfattn.data.text_tables import TextExample
from keras_selfattn.data.translation_dataset import TranslationDataset
from keras_selfattn.layers import PrecomputedFeatures
from keras_selfattn.models import (
    AttentionDecoder,
    ConformerEncoder,
    TextEncoder,
    Transformer,
)
from keras_selfattn.preprocessing.text_tokenizer import TextTokenizer
from keras_selfattn.preprocessing.tokenizers import CharacterTokenizer
from keras_selfattn.tasks import (
    HybridRecognizer,
    SpeechRecognizer,
    TextClassifier,
    Translator,
)
from keras_selfattn.training.guarded_adamw import GuardedAdamW
from tests.fixed_weights import draw_weights
from tests.translation_examples import number_pairs, number_tokenizer

WORDS = "zero one two three four five six seven eight nine".split()


def optimizer(**options):
    """One that forgives rounding: with a small epsilon Adam takes the sign."""
    return GuardedAdamW(
        1e-3, global_clipnorm=1.0, **{"epsilon": 1e-4, **options}
    )


def text_classification():
    """Rows of digits, even or odd by their last one; of 1 to 12 words."""
    generator = np.random.default_rng(0)
    examples = []
    for _ in range(23):
        digits = generator.integers(10, size=generator.integers(1, 13))
        label = ("even", "odd")[digits[-1] % 2]
        text = " ".join(WORDS[digit] for digit in digits)
        examples.append(TextExample(text, label, "train"))
    tokenizer = TextTokenizer.build([e.text for e in examples], max_tokens=16)
    encoder = TextEncoder(
        tokenizer.vocabulary_size,
        16,
        num_layers=1,
        num_heads=2,
        intermediate_dim=32,
        dropout=0.0,
        embedding_dropout=0.0,
        word_dropout=0.0,
        name="encoder",
    )
    task = TextClassifier(["even", "odd"], tokenizer, encoder, dropout=0.0)
    return task, TextDataset(examples, tokenizer, task.labels, batch_size=6)


def translation(dropout=0.0):
    """Number words to digits, of 1 to 5."""
    tokenizer = number_tokenizer()
    transformer = Transformer(
        tokenizer.vocabulary_size,
        16,
        1,
        2,
        32,
        dropout=dropout,
        seed=0,
        name="transformer",
    )
    task = Translator(tokenizer, transformer, label_smoothing=0.1)
    return task, TranslationDataset(
        number_pairs(30), tokenizer, batch_tokens=60
    )


def _patterns(teacher_forcing=False):
    """A pattern a letter, held for 5 to 12 frames; words of 1 to 5 letters."""
    generator = np.random.default_rng(0)
    patterns = generator.normal(size=(4, 6)).astype("float32")
    examples = []
    for i in range(22):
        letters = generator.integers(4, size=generator.integers(1, 6))
        frames = np.repeat(
            patterns[letters], generator.integers(8, 13, len(letters)), axis=0
        )
        text = "".join("abcd"[letter] for letter in letters)
        examples.append(FeatureExample(str(i), frames, text, "nobody", "train"))
    return FeatureDataset(
        examples,
        CharacterTokenizer("abcd"),
        batch_frames=250,
        frames_per_output=2,
        length_multiple=10,
        teacher_forcing=teacher_forcing,
    )


def _ears():
    """A front end of 6 features, and an encoder of what it gives."""
    front_end = PrecomputedFeatures(6, 100)
    stage = {
        "strides": [2],
        "hidden_dim": 16,
        "num_layers": 1,
        "num_heads": 2,
        "intermediate_dim": 32,
        "kernel_size": 3,
        "dropout": 0.0,
    }
    return front_end, ConformerEncoder(
        front_end.feature_dim, [stage], name="encoder"
    )


def speech_recognition():
    """CTC on patterns."""
    task = SpeechRecognizer(*_ears(), CharacterTokenizer("abcd"))
    return task, _patterns()


def hybrid_recognition():
    """CTC and a decoder, whose means count different tokens."""
    tokenizer = CharacterTokenizer("abcd")
    decoder = AttentionDecoder(
        tokenizer.vocabulary_size,
        hidden_dim=16,
        num_layers=1,
        num_heads=2,
        intermediate_dim=32,
        dropout=0.0,
        name="decoder",
    )
    task = HybridRecognizer(*_ears(), decoder, tokenizer)
    return task, _patterns(teacher_forcing=True)


TRAININGS = {
    function.__name__: function
    for function in (
        text_classification,
        translation,
        speech_recognition,
        hybrid_recognition,
    )
}


def make(name, dropout=0.0, **options):
    """A compiled task with its first weights, and its dataset.

    Args:
        name: str, of TRAININGS.
        dropout: float, of a translator.
        **options: of the optimizer.
    """
    task, dataset = TRAININGS[name](**({"dropout": dropout} if dropout else {}))
    draw_weights(task)
    task.compile(optimizer(**options))
    return task, dataset


def train(task, dataset, steps):
    """Trains so many steps, over as many epochs as it takes: the losses."""
    import keras

    losses = []

    class Losses(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.reset_metrics()

        def on_train_batch_end(self, batch, logs=None):
            losses.append(float(logs["loss"]))

    epoch = 0
    while len(losses) < steps:
        dataset.set_epoch(epoch)
        task.fit(
            dataset.for_backend(),
            steps_per_epoch=min(len(dataset), steps - len(losses)),
            shuffle=False,
            verbose=0,
            callbacks=[Losses()],
        )
        epoch += 1
    return losses
