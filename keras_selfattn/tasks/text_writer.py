"""What tasks that read a text and write another have in common.

Shapes: `B` batch, `S` source tokens, `T` target tokens, `V` vocabulary.
"""

from dataclasses import replace

import numpy as np
from keras import ops

from keras_selfattn.decoding.beam_search import beam_search
from keras_selfattn.export.signature import PartCheck
from keras_selfattn.losses.cross_entropy import (
    smoothed_cross_entropy,
    token_mean,
)
from keras_selfattn.preprocessing.translation_text import PAD_ID
from keras_selfattn.tasks.cached_decoding import CachedDecoder
from keras_selfattn.tasks.compiled_search import CompiledSearch
from keras_selfattn.tasks.translation_graph import (
    beam_ids,
    check,
    greedy_ids,
    parts,
)

LENGTH_MULTIPLE = 16  # of padded sources and caches: few shapes to compile


def text_loss(
    labels, logits, label_smoothing=0.0, sample_weight=None, no_label=PAD_ID
):
    """Nats a token: summed over the batch, over its tokens.

    Args:
        labels: int `(B, T)`.
        logits: float `(B, T, V)`.
        label_smoothing: float in [0, 1).
        sample_weight: float `(B,)`, or None.
        no_label: int <= 0, what stands where there is none.

    Returns:
        float scalar tensor.
    """
    known = ops.maximum(labels, 0)
    costs = smoothed_cross_entropy(known, logits, label_smoothing)
    real = ops.not_equal(labels, no_label)  # (B, T)
    return token_mean(costs, real, sample_weight)


class TextWriter:
    """Writes texts with an encoder and decoder, by a search.

    Searches are compiled whole, once for each beam; what they lack is done by
    the search outside of the graph, which they are also held against. A text
    is no longer than `max_tokens`, nor than twice its source and ten.

    Args:
        transformer: Transformer or T5, built.
        begin_id: int, what the decoder reads before a text.
        end_id: int, the token that ends a text.
        banned_ids: ints never written.
        max_tokens: int.
        rules: how beams are searched; see `decoding.beam_search`.

    Example:
        >>> writer = TextWriter(transformer, 1, 2, (0, 1, 3), 160)
        >>> writer.write([[7, 9, 2], [5, 2]], beam=4, alpha=1.0)
    """

    def __init__(
        self,
        transformer,
        begin_id,
        end_id,
        banned_ids,
        max_tokens,
        rules="gnmt",
    ):
        self.transformer = transformer
        self.begin_id = begin_id
        self.end_id = end_id
        self.banned_ids = tuple(banned_ids)
        self.max_tokens = max_tokens
        self.rules = rules
        self._decoder = None
        self._searches = {}  # beam to CompiledSearch

    def write(self, rows, beam=1, alpha=1.0, no_repeat_ngram=0):
        """The text behind each source.

        Args:
            rows: list of lists of source ids, each with the end.
            beam: int >= 1, texts kept while searching; 1 is greedy.
            alpha: float >= 0, length penalty; see `decoding.beam_search`.
            no_repeat_ngram: int, so many tokens in a row stand once in a
                text; 0 for no such rule.

        Returns:
            list of (int32 array of target ids without the end, score).

        Raises:
            ValueError: for settings out of range.
        """
        if beam < 1 or alpha < 0:
            raise ValueError(
                f"beam={beam}, alpha={alpha}; expected beam >= 1 (1 is "
                "greedy) and alpha >= 0."
            )
        most = self.transformer.max_sequence_length
        width = _round_up(max(map(len, rows)), LENGTH_MULTIPLE)
        width = min(width, most or width)
        # A power of two, so few shapes: what is filled in is done at once.
        count = 1 << (len(rows) - 1).bit_length()
        ids = np.full((count, width), PAD_ID, "int32")
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens)] = tokens
        if no_repeat_ngram:
            found = self.search(ids, rows, beam, alpha, no_repeat_ngram)
        else:
            if beam not in self._searches:
                self._searches[beam] = CompiledSearch(
                    self.transformer,
                    beam,
                    self.max_tokens,
                    self.banned_ids,
                    self.rules,
                    begin_id=self.begin_id,
                    end_id=self.end_id,
                )
            found = self._searches[beam].write(ids, alpha)
        return found[: len(rows)]

    def write_sorted(self, rows, batch_size, *search):
        """As `write`, in batches of sources of about the same length.

        Args:
            rows: list of lists of source ids; may be empty.
            batch_size: int, sources at once.
            *search: further arguments of `write`.

        Returns:
            as `write`, in the order of the rows.
        """
        written = [None] * len(rows)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            found = self.write([rows[i] for i in chosen], *search)
            for i, result in zip(chosen, found, strict=True):
                written[i] = result
        return written

    def search(self, ids, rows, beam, alpha, no_repeat_ngram):
        """As `write`, outside of the compiled step.

        Args:
            ids: int32 `(B, S)`, the rows, padded with 0; more rows than they
                are is padding.
            rows, beam, alpha, no_repeat_ngram: see `write`.
        """
        if self._decoder is None:
            self._decoder = CachedDecoder(self.transformer)
        limits = np.ones(len(ids), "int64")
        limits[: len(rows)] = [self._longest(len(row)) for row in rows]
        places = _round_up(int(limits.max()), LENGTH_MULTIPLE)
        state = self._decoder.start(ids, beam, places)
        results = beam_search(
            self._decoder.step,
            state,
            len(ids),
            beam,
            limits,
            self.begin_id,
            self.end_id,
            alpha,
            banned_ids=self.banned_ids,
            no_repeat_ngram=no_repeat_ngram,
            rules=self.rules,
        )
        return [result[0] for result in results]

    def _longest(self, num_source_tokens):
        return min(2 * num_source_tokens + 10, self.max_tokens)

    def greedy_outputs(self, source_ids):
        """What an exported file writes: dict of "token_ids"."""
        ids = greedy_ids(
            self.transformer,
            source_ids,
            self.max_tokens,
            self.banned_ids,
            begin_id=self.begin_id,
            end_id=self.end_id,
        )
        return {"token_ids": ids}

    def reference(self, source, beam, alpha):
        """What a file writes, by the search outside of the graph.

        Args:
            source: int32 `(S,)`, with the end.
            beam, alpha: see `write`.

        Returns:
            dict of "token_ids", int32 `(2 S + 10,)`.
        """
        row = source.tolist()
        ((ids, _),) = self.search(source[np.newaxis], [row], beam, alpha, 0)
        ids = np.pad(ids, (0, 2 * len(row) + 10 - len(ids)))
        return {"token_ids": ids.astype("int32")}

    def export_parts(self, name, beam, rows=None):
        """A beam search, and `encode` and `decode_step` for one's own.

        Args:
            name: str, of the beam search's signature.
            beam: int, texts it keeps.
            rows: see `Task.export_parts`.
        """

        def search(source_ids, alpha):
            ids, scores = beam_ids(
                self.transformer,
                source_ids,
                beam,
                alpha,
                self.max_tokens,
                self.banned_ids,
                self.rules,
                begin_id=self.begin_id,
                end_id=self.end_id,
            )
            return {"token_ids": ids, "scores": scores}

        inputs = {
            "source_ids": ([rows, None], "int32"),
            "alpha": ([], "float32"),
        }
        return {name: (search, inputs), **parts(self.transformer)}

    def export_part_checks(self, name, beam, alpha, signature, source):
        """A greedy text, step by step, and some by the beam.

        Args:
            name, beam: see `export_parts`.
            alpha: float, the length penalty to check with.
            signature: Signature of the file.
            source: int32 `(S,)`, with the end.
        """
        ((target, _),) = self.write([source.tolist()], beam=1)
        target = np.append(target, self.end_id)[: self.max_tokens]
        steps = check(
            self.transformer, source, target, self.max_tokens, self.begin_id
        )

        def found(run, example):
            ids = run(
                name,
                source_ids=example["source_ids"][np.newaxis],
                alpha=np.array(alpha, "float32"),
            )["token_ids"]
            return {"token_ids": ids[0]}

        searched = PartCheck(
            replace(signature, name=name),
            found,
            lambda example: self.reference(example["source_ids"], beam, alpha),
            [{"source_ids": source[-length:]} for length in (20, 2, 5)],
        )
        return {"encode, decode_step": steps, name: searched}


def _round_up(length, multiple):
    return -(-length // multiple) * multiple
