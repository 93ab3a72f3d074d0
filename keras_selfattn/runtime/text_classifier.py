"""Text to label with one .tflite file, without Keras.

Shapes: `T` tokens, `C` classes.
"""

import numpy as np

from keras_selfattn.decoding.classification import classification
from keras_selfattn.preprocessing.text_tokenizer import TextTokenizer
from keras_selfattn.runtime.model_file import (
    ModelError,
    ModelFile,
    model_path,
    read_metadata,
)

REQUIRED = ("labels", "tokenizer", "signature")


class Classifier:
    """Says of which class a text is, with an exported file.

    It needs numpy and ai-edge-litert; no Keras. (A preset whose tokenizer is
    jieba's needs that package, too.) A text longer than the tokenizer's
    `max_tokens` is cut as its `truncation` says. One object serves one thread.

    Args:
        source: str or path of a .tflite file that `task.export` wrote, or of a
            preset folder (its `model.tflite` is checked against its sha256).
        num_threads: int >= 1; threads the interpreter may use. Default 1.

    Raises:
        ModelError: not a .tflite file, not that of a text classifier, or it
            needs operators that the runtime does not have.
        PresetError: the folder is not a preset, or its file was changed.
        ImportError: its tokenizer needs a package that is not installed.

    Example:
    ```python
    from keras_selfattn import zoo
    from keras_selfattn.runtime import Classifier

    classifier = Classifier(zoo.resolve("text-classification"))
    print(classifier.classify("a film to fall in love with").label)
    ```
    """

    def __init__(self, source, num_threads=1):
        self.path = model_path(source)
        self.metadata = read_metadata(self.path, REQUIRED, "text classifier")
        self.labels = list(self.metadata["labels"])
        try:
            self.tokenizer = TextTokenizer(**self.metadata["tokenizer"])
        except (TypeError, ValueError) as error:
            raise ModelError(
                f"{self.path}: the tokenizer in its metadata cannot be built "
                f"({error}); upgrade: pip install -U keras-selfattn."
            ) from None
        inputs = ["token_ids"]
        if self.tokenizer.ngrams is not None:
            inputs.append("ngram_ids")
        outputs = ["log_probabilities"]
        if self.metadata.get("attention_weights", True):
            outputs.append("attention_weights")
        self.has_attention = len(outputs) > 1
        self._model = ModelFile(
            self.path, self.metadata["signature"], inputs, outputs, num_threads
        )
        # Run the shortest text: what the file lacks shows here.
        found = self._model.run(**self.tokenizer.features(""))
        shape = found["log_probabilities"].shape
        if shape != (len(self.labels),):
            raise ModelError(
                f"{self.path} gives log_probabilities of shape {shape}; its "
                f"metadata names {len(self.labels)} labels."
            )

    def classify(self, text):
        """Return the `Classification` of one text.

        Args:
            text: str, of any length; of an empty one, or one without a word
                that the model knows, `known_tokens` is 0.

        Raises:
            ValueError: it is no str.
        """
        tokens = self.tokenizer.split_text(text)
        features = self.tokenizer.features_of(tokens, text)
        scores = self._model.run(**features)["log_probabilities"]  # (C,)
        return classification(scores, self.labels, tokens, self.tokenizer)

    def weights(self, text):
        """Return the tokens of a text that were read, and their weights.

        Args:
            text: str.

        Returns:
            list of str and float32 `(T,)`, which sums to 1: the share of each
            token in the pooled vector.

        Raises:
            ModelError: the model has no attention pooling.
        """
        if not self.has_attention:
            raise ModelError(
                f"{self.path} has no attention pooling: it gives no weights."
            )
        found = self._model.run(**self.tokenizer.features(text))
        return self.tokenizer.tokens(text), np.asarray(
            found["attention_weights"]
        )
