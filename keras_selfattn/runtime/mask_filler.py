"""Hidden words and vectors of texts, by one .tflite file and without Keras."""

import numpy as np

from keras_selfattn.decoding.mask_filling import fill_masks, find_masks
from keras_selfattn.runtime.model_file import (
    ModelFile,
    build_tokenizer,
    model_path,
    read_metadata,
)

REQUIRED = ("tokenizer", "pooling", "signature")
OUTPUTS = {
    "fill_mask": ["best_ids", "log_probabilities"],
    "embed": ["embedding"],
}


class MaskFiller:
    """Fills masks and embeds texts with an exported masked language model.

    It needs numpy and ai-edge-litert; no Keras. One object serves one thread.

    Args:
        source: str or path of a .tflite file that `MaskedLM.export` wrote, or
            of a preset folder (its `model.tflite` is checked against its
            sha256).
        num_threads: int >= 1; threads the interpreter may use. Default 1.

    Raises:
        ModelError: not a .tflite file, not that of a masked language model, or
            it needs operators that the runtime does not have.
        PresetError: the folder is not a preset, or its file was changed.

    Example:
        >>> model = MaskFiller("bert.tflite")
        >>> model.fill_mask("a very [MASK] film")[0].token
        "good"
        >>> model.embed(["one text", "another"]).shape
        (2, 128)
    """

    def __init__(self, source, num_threads=1):
        self.path = model_path(source)
        self.metadata = read_metadata(
            self.path, REQUIRED, "masked language model"
        )
        self.tokenizer = build_tokenizer(self.path, self.metadata["tokenizer"])
        self._threads = num_threads
        self._files = {}

    def fill_mask(self, text, top_k=5):
        """The likeliest tokens for each mask of a text.

        Args:
            text: str with the tokenizer's mask, once or more.
            top_k: int from 1 to as many as the file gives (10).

        Returns:
            list of Fill (`token`, `score`, `text`, `token_id`), the likeliest
            first; with several masks a list of such lists. Each mask is
            filled by itself.

        Raises:
            ValueError: no mask in the text (or only behind what is cut off),
                `top_k` out of its range, or a file of embeddings alone.
        """
        if self.metadata["signature"] != "fill_mask":
            raise ValueError(
                f"{self.path} gives embeddings alone: its checkpoint had no "
                "masked-language head. Use embed."
            )
        ids, places = find_masks(self.tokenizer, text, top_k)
        found = self._run("fill_mask", ids)
        best = found["best_ids"][places]  # (masks, K)
        if top_k > best.shape[1]:
            raise ValueError(
                f"top_k={top_k}: {self.path} gives the {best.shape[1]} "
                "likeliest tokens of each place."
            )
        scores = found["log_probabilities"][places, :top_k]
        return fill_masks(self.tokenizer, ids, places, best[:, :top_k], scores)

    def best_ids(self, token_ids):
        """The likeliest tokens at each place of a row of ids.

        Args:
            token_ids: int `(T,)`, as `tokenizer.encode` gives.

        Returns:
            int32 `(T, K)`, the likeliest first.
        """
        return self._run("fill_mask", token_ids)["best_ids"]

    def embed(self, texts):
        """One vector of length 1 a text: near for texts that mean alike.

        A text longer than the tokenizer's `max_tokens` is cut.

        Args:
            texts: str, or list of str.

        Returns:
            float32 `(D,)`, for a list `(B, D)`.
        """
        if isinstance(texts, str):
            ids = self.tokenizer.encode(texts)
            return self._run("embed", ids)["embedding"]
        found = [self.embed(text) for text in texts]
        return np.stack(found) if found else np.zeros((0, 0), "float32")

    def _run(self, signature, ids):
        if signature not in self._files:
            self._files[signature] = ModelFile(
                self.path,
                signature,
                ["token_ids"],
                OUTPUTS[signature],
                self._threads,
            )
        return self._files[signature].run(token_ids=np.asarray(ids, "int32"))
