"""A language model: what comes next in a text, and how likely a text is.

Shapes: `B` batch, `T` tokens, `V` vocabulary.
"""

import keras
import numpy as np
from keras import ops

from keras_selfattn.decoding.causal_context import overlapping
from keras_selfattn.decoding.text_generation import continue_tokens
from keras_selfattn.export.signature import Signature
from keras_selfattn.losses.cross_entropy import (
    smoothed_cross_entropy,
    token_mean,
)
from keras_selfattn.models.causal_transformer import CausalTransformer
from keras_selfattn.preprocessing.causal_text import (
    causal_ids,
    causal_marks,
    causal_text,
)
from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer
from keras_selfattn.preprocessing.tokenizers import tokenizer_from_config
from keras_selfattn.tasks.causal_decoding import CausalReader, CausalScorer
from keras_selfattn.tasks.causal_graph import (
    cache_shape,
    check,
    parts,
    score,
    scored,
)
from keras_selfattn.tasks.task import Task, from_config, to_config


@keras.saving.register_keras_serializable(package="keras_selfattn")
class CausalLM(Task):
    """Goes on with texts, and says how likely they are.

    A tokenizer with `<s>` and `</s>` makes each text a whole: it begins with
    the one and ends with the other. With a tokenizer without (characters) a
    text is a piece of a stream; its first token is given, and not scored.

    `compile(optimizer)` is enough: the loss is the cross-entropy of the next
    token, in nats a token over the whole batch; padding (id 0) is left out.

    A SubwordTokenizer, which came with somebody else's model (GPT-2), has its
    own marks. Where its padding is its end, an end behind an end is padding.

    Args:
        tokenizer: of `preprocessing.tokenizers`, or a SubwordTokenizer of byte
            pairs; or its config.
        transformer: CausalTransformer (or its config); default one of small
            size for the tokenizer.

    Call arguments:
        inputs: dict of "token_ids", int32 `(B, T)`, padded with 0.
        training: bool.

    Returns:
        logits, float `(B, T, V)`, of the token after each token.

    Raises:
        ValueError: where the vocabulary does not fit the Transformer's.

    Example:
        >>> model = CausalLM(CharacterTokenizer("abc "))
        >>> model.compile("adamw")
        >>> model.fit({"token_ids": ids[:, :-1]}, ids[:, 1:])
        >>> model.generate("ab", max_tokens=20, top_k=5)
    """

    def __init__(self, tokenizer, transformer=None, **kwargs):
        # Layers
        if isinstance(tokenizer, dict):
            tokenizer = tokenizer_from_config(tokenizer)
        size = tokenizer.vocabulary_size
        if transformer is None:
            transformer = CausalTransformer(size, name="transformer")
        if isinstance(transformer, dict):
            transformer = from_config(transformer, name="transformer")
        if transformer.vocabulary_size != size:
            raise ValueError(
                f"The tokenizer has {size} tokens, but the transformer was "
                f"built for {transformer.vocabulary_size}; give the tokenizer "
                "it was trained with."
            )

        # Functional model
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        super().__init__(
            inputs={"token_ids": token_ids},
            outputs=transformer(token_ids),
            **kwargs,
        )

        # Config
        self.tokenizer = tokenizer
        self.transformer = transformer
        marks = causal_marks(tokenizer)
        self.begin_id, self.end_id = marks["begin_id"], marks["end_id"]
        self.padding_id = marks["padding_id"]
        self.banned_ids = tuple(marks["banned_ids"])
        self._reader = self._scorer = None

    def task_config(self):
        return {
            "tokenizer": self.tokenizer.get_config(),
            "transformer": to_config(self.transformer),
        }

    def compute_loss(
        self,
        x=None,
        y=None,
        y_pred=None,
        sample_weight=None,
        training=True,
    ):
        """Nats a token: summed over the batch, over its tokens."""
        costs = smoothed_cross_entropy(y, y_pred)
        real = ops.not_equal(y, self.padding_id)  # (B, T)
        if self.padding_id == self.end_id:
            before = ops.not_equal(x["token_ids"], self.padding_id)
            real = ops.logical_or(real, before)
        return token_mean(costs, real, sample_weight)

    def text_ids(self, text, ended=True):
        """Token ids of a text: begin, text and, if `ended`, end."""
        return causal_ids(
            self.tokenizer, text, self.begin_id, self.end_id, ended
        )

    @property
    def _scored_padding(self):
        """The id that is not scored; None where it may be in a text."""
        foreign = isinstance(self.tokenizer, SubwordTokenizer)
        return None if foreign else self.padding_id

    def generate(
        self,
        prompt="",
        max_tokens=200,
        search="sample",
        temperature=1.0,
        top_k=None,
        top_p=1.0,
        alpha=0.6,
        beam=4,
        no_repeat_ngram=0,
        num_texts=1,
        seed=0,
        rules="gnmt",
    ):
        """Goes on with a text.

        Args:
            prompt: str, what stands before; may be empty where the tokenizer
                has a token for the beginning.
            max_tokens: int, most tokens written; a text whose end is written
                is shorter.
            search: "sample", "greedy", "beam" or "contrastive".
            temperature, top_k, top_p: of "sample"; see `decoding.sampling`.
                `top_k` is also the candidates of "contrastive".
            alpha: float, of "contrastive" how unlike the text before a token
                has to be, of "beam" the length penalty.
            beam: int, of "beam".
            no_repeat_ngram: int, so many tokens in a row are written once; 0
                for no such rule.
            num_texts: int, more than one gives a list; for "sample" and, up
                to `beam`, "beam".
            seed: int, of "sample": the same seed draws the same text.
            rules: of "beam", "transformers" to search as that package does;
                see `decoding.beam_search`.

        Returns:
            str, what follows the prompt; a list of them for `num_texts > 1`.

        Raises:
            ValueError: for a setting out of range, an empty prompt where the
                tokenizer has no begin, or text that it cannot encode.
        """
        ids = self.text_ids(prompt, ended=False)
        if self._reader is None:
            self._reader = CausalReader(self.transformer)
        found = continue_tokens(
            self._reader.context(len(ids) + max_tokens),
            ids,
            max_tokens,
            search,
            temperature,
            top_k,
            top_p,
            alpha,
            beam,
            no_repeat_ngram,
            num_texts,
            seed,
            self.end_id,
            self.banned_ids,
            rules,
        )
        texts = [causal_text(self.tokenizer, row) for row in found]
        return texts if num_texts > 1 else texts[0]

    def log_probabilities(self, texts, batch_size=32):
        """How likely each token of texts is behind those before it.

        A text that is longer than the model sees is read in windows that
        overlap by half, so that every token has half a window before it.

        Args:
            texts: str, or a list of them.
            batch_size: int, windows at once.

        Returns:
            float32 array, ln p of each token and of the end; where the
            tokenizer has no begin, without the first token. A list of them
            for a list.

        Raises:
            ValueError: for text that the tokenizer cannot encode.
        """
        if isinstance(texts, str):
            return self.log_probabilities([texts], batch_size)[0]
        if self._scorer is None:
            self._scorer = CausalScorer(self.transformer, self._scored_padding)
        most = self.transformer.max_sequence_length
        windows, owners = [], []
        for number, text in enumerate(texts):
            ids = self.text_ids(text)
            for start, known in overlapping(len(ids), most):
                windows.append(ids[start : start + most + 1])
                owners.append((number, known))
        logs = [[np.zeros(0, "float32")] for _ in texts]
        found = self._scorer.of_rows(windows, batch_size)
        for (number, known), scores in zip(owners, found, strict=True):
            logs[number].append(scores[known:])
        return [np.concatenate(part) for part in logs]

    def perplexity(self, texts, batch_size=32):
        """`exp` of the mean of -ln p over all tokens that are scored.

        Args:
            texts: str, or a list of them.
            batch_size: see `log_probabilities`.

        Raises:
            ValueError: where no token is scored.
        """
        texts = [texts] if isinstance(texts, str) else texts
        found = self.log_probabilities(texts, batch_size)
        logs = np.concatenate([np.zeros(0, "float32"), *found])
        if not len(logs):
            raise ValueError(
                "There is no token to score; give texts of at least two tokens."
            )
        return float(np.exp(-logs.astype("float64").mean()))

    def export_signature(self):
        return Signature(
            "score",
            inputs={"token_ids": "int32"},
            outputs={"next_ids": "int32", "log_probabilities": "float32"},
            agreement="places prefer the token that Keras prefers",
            decisions="next_ids",
        )

    def export_metadata(self):
        return {
            "tokenizer": self.tokenizer.get_config(),
            "max_sequence_length": self.transformer.max_sequence_length,
            "cache_shape": cache_shape(self.transformer, 1, None),
            "begin_id": self.begin_id,
            "end_id": self.end_id,
            "banned_ids": list(self.banned_ids),
        }

    def export_outputs(self, inputs):
        return score(
            self.transformer, inputs["token_ids"], self._scored_padding
        )

    def export_parts(self, rows=None):
        return parts(self.transformer)

    def export_part_checks(self):
        ids = self.typical_input()[0]["token_ids"]
        return {"decode_step": check(self.transformer, ids)}

    def reference_outputs(self, inputs):
        """As `score`, by the cached steps."""
        ids = inputs["token_ids"][np.newaxis]
        logits, _, _ = self.transformer.decode_step(
            ids, 0, self.transformer.caches(1, ids.shape[1])
        )
        return {
            name: ops.convert_to_numpy(found[0])
            for name, found in scored(logits, ids, self._scored_padding).items()
        }

    def export_probes(self):
        random = np.random.default_rng(0)
        most = self.transformer.max_sequence_length
        lengths = [n for n in (1, 2, 3, 7, 16, 17, 40) if n < most]
        return [
            {"token_ids": self._random_ids(random, length)}
            for length in [*lengths, most]
        ]

    def _random_ids(self, random, length):
        size = self.tokenizer.vocabulary_size
        return random.integers(1, size, length).astype("int32")

    def typical_input(self):
        length = min(20, self.transformer.max_sequence_length)
        ids = self._random_ids(np.random.default_rng(1), length)
        return {"token_ids": ids}, f"{length} tokens"

    def calibration_inputs(self, items):
        most = self.transformer.max_sequence_length
        return [
            {"token_ids": np.array(self.text_ids(text)[:most], "int32")}
            for text in items
        ]
