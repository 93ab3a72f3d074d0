"""What recognisers share that hear sound and write text token by token.

Shapes: `B` batch, `L` samples, `T` tokens, `V` vocabulary.
"""

from itertools import groupby

import numpy as np
from keras import ops

from keras_selfattn.decoding.token_scores import take_rows
from keras_selfattn.export.probes import probe_waveforms
from keras_selfattn.export.signature import Signature
from keras_selfattn.tasks.dictation_graph import DictationSearch, greedy_ids
from keras_selfattn.tasks.speech_input import read_pieces, read_whole
from keras_selfattn.tasks.task import Task
from keras_selfattn.tasks.text_writer import text_loss

NO_LABEL = -1  # a place of the labels that costs nothing
PIECES_AT_ONCE = 4


class DictationTask(Task):
    """Abstract: an encoder of sound and a decoder of text, and their file.

    The loss is the cross-entropy of the text's tokens, in nats a token over
    the whole batch. A file has one signature, `transcribe`: samples in, token
    ids out, the greedy search inside.

    A subclass sets what is None here and defines what is abstract.

    Call arguments:
        inputs: dict of what `sound_rows` gives, and "token_ids", int32
            `(B, T)`, which begin with the prompt.
        training: bool.

    Returns:
        logits, float `(B, T, V)`, of the token after each token.
    """

    tokenizer = None
    sampling_rate_hz = None  # int
    max_samples = None  # int, samples heard at once
    search_parts = ()  # layers that `heard` uses, beside the model
    label_smoothing = 0.0  # of the loss, in training
    float_layers = ()  # names of layers that are never quantised

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._searches = {}  # (rules, beam) to DictationSearch

    @property
    def writer(self):
        """Whisper or Moonshine."""
        raise _abstract(self, "writer")

    def writing_rules(self):
        """What stands before every text and what in none: WritingRules."""
        raise _abstract(self, "writing_rules()")

    def heard(self, inputs, rules):
        """Recordings as what a search goes on from.

        Args:
            inputs: dict of tensors: "samples" `(B, L)`, and what else
                `sound_rows` gives, which may be missing: then all is valid.
                Or what a subclass's own rules hand on; see `_transcribe`.
            rules: WritingRules.

        Returns:
            Heard.
        """
        raise _abstract(self, "heard()")

    def sound_rows(self, pieces):
        """Pieces, float32 arrays `(L,)`, as a dict of arrays by input."""
        raise _abstract(self, "sound_rows()")

    def text_ids(self, text):
        """Token ids of a text, without prompt and end: list of int."""
        raise _abstract(self, "text_ids()")

    def text_of(self, ids):
        """The text of token ids."""
        raise _abstract(self, "text_of()")

    @property
    def min_samples(self):
        """Shorter input is padded with zeros up to this: 0.1 s."""
        return min(self.sampling_rate_hz // 10, self.max_samples)

    def compute_loss(
        self,
        x=None,
        y=None,
        y_pred=None,
        sample_weight=None,
        training=True,
    ):
        """Nats a token: summed over the batch, over its labels."""
        y = ops.cast(y, "int32")
        smoothing = self.label_smoothing if training else 0.0
        return text_loss(y, y_pred, smoothing, sample_weight, NO_LABEL)

    def training_batch(self, items, texts):
        """What `fit` takes: recordings and what is said in them.

        Args:
            items: list of paths or float arrays `(L,)`, each at most as long
                as the model hears at once.
            texts: list of str.

        Returns:
            dict of the model's inputs, and labels, int32 `(B, T)`, -1 where
            there is none.

        Raises:
            ValueError: a recording or a text that is too long.
        """
        pieces = list(read_whole(items, self))
        self._check_lengths(pieces)
        ids, labels = self.text_rows([self.text_ids(text) for text in texts])
        return {**self.sound_rows(pieces), "token_ids": ids}, labels

    def text_rows(self, texts, width=None):
        """What the decoder reads of texts and writes behind each token.

        Args:
            texts: list of lists of token ids, without prompt and end.
            width: int, places of a row; default: those of the longest text.

        Returns:
            token ids, int32 `(B, T)`, and labels, int32 `(B, T)`, -1 where
            there is none.

        Raises:
            ValueError: a text that is too long.
        """
        rules = self.writing_rules()
        rows = [[*rules.prompt, *text, rules.end_id] for text in texts]
        width = width or max(map(len, rows)) - 1
        if width > (most := self.writer.max_sequence_length):
            raise ValueError(
                f"A text has {width} tokens with its prompt; the model writes "
                f"at most {most}."
            )
        ids = np.full((len(rows), width), rules.end_id, "int32")
        labels = np.full((len(rows), width), NO_LABEL, "int32")
        first = len(rules.prompt) - 1
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens) - 1] = tokens[:-1]
            labels[row, first : len(tokens) - 1] = tokens[first + 1 :]
        return ids, labels

    def _check_lengths(self, pieces):
        longest = max(map(len, pieces))
        if longest > self.max_samples:
            raise ValueError(
                f"A recording of {longest} samples; the model hears at most "
                f"{self.max_samples} at once. `transcribe` cuts."
            )

    def facts_of(self, rules):
        """What `details` tell of a recording by its rules: dict."""
        return {}

    def _transcribe(
        self, x, rules, beam, alpha, details, batch_size, settle=None
    ):
        """Text of speech; see the subclass's `transcribe`.

        Args:
            rules: WritingRules. Or a function of a batch of recordings' first
                pieces: to their rules, a list, and to what `heard` takes of
                them, a row a piece; so they are not heard again.
            settle: function of a piece, its rules, ids and score to what is
                taken: dict of "token_ids", "score" and other facts, which
                `details` list. None to take what the search writes.
        """
        if beam < 1 or alpha < 0:
            raise ValueError(
                f"beam={beam}, alpha={alpha}; expected beam >= 1 (1 is "
                "greedy) and alpha >= 0."
            )
        single = not isinstance(x, (list, tuple))
        items = [x] if single else list(x)
        seconds = self.max_samples / self.sampling_rate_hz
        pieces, owners = read_pieces(items, self, seconds)
        asked = [rules] * len(items)  # of each recording
        found = [None] * len(pieces)

        def write(places, rules, inputs):
            written = self._search(rules, beam).write(inputs, alpha)
            # Those of copies, which stand at the end, are left out.
            for i, (ids, score) in zip(places, written, strict=False):
                found[i] = {"token_ids": ids, "score": score}
                if settle is not None:
                    found[i] = settle(pieces[i], rules, ids, score)

        if callable(rules):
            firsts = [i for i, (_, start) in enumerate(owners) if not start]
            for chosen in _batches(firsts, batch_size):
                told, inputs = rules([pieces[i] for i in chosen])
                for i, its in zip(chosen, told, strict=True):
                    asked[owners[i][0]] = its
                for one in dict.fromkeys(told):
                    rows = [row for row, its in enumerate(told) if its == one]
                    some = take_rows(inputs, _filled(rows))
                    write([chosen[row] for row in rows], one, some)
        kinds = list(dict.fromkeys(asked))
        kind_of = [kinds.index(asked[owner]) for owner, _ in owners]
        order = [i for i in range(len(pieces)) if found[i] is None]
        order.sort(key=lambda i: (kind_of[i], len(pieces[i])))
        for kind, places in groupby(order, key=kind_of.__getitem__):
            for chosen in _batches(list(places), batch_size):
                inputs = self.filled_rows([pieces[i] for i in chosen])
                write(chosen, kinds[kind], inputs)
        results = [
            {"text": [], "token_ids": [], "score": [], **self.facts_of(rules)}
            for rules in asked
        ]
        for (owner, _), piece in zip(owners, found, strict=True):
            result = results[owner]
            ids = piece.pop("token_ids")
            result["token_ids"] += [int(i) for i in ids]
            result["text"].append(self.text_of(ids))
            for name, fact in piece.items():
                result.setdefault(name, []).append(fact)
        for result in results:
            result["text"] = " ".join(t for t in result["text"] if t)
            result["score"] = float(np.mean(result["score"]))
        if not details:
            results = [result["text"] for result in results]
        return results[0] if single else results

    def _search(self, rules, beam):
        key = rules, beam
        if key not in self._searches:
            self._searches[key] = DictationSearch(
                self.search_parts, self.heard, self.writer, *key
            )
        return self._searches[key]

    def filled_rows(self, pieces):
        """`sound_rows` of pieces and copies of the last, a power of two.

        So few shapes to compile; copies end when it ends.
        """
        return self.sound_rows(_filled(pieces))

    def export_signature(self):
        return Signature(
            "transcribe",
            inputs={"samples": "float32"},
            outputs={"token_ids": "int32"},
            agreement="places hold the token that Keras writes",
            decisions="token_ids",
            float_layers=self.float_layers,
        )

    def export_metadata(self):
        return {
            "sampling_rate_hz": int(self.sampling_rate_hz),
            "vocabulary": list(self.tokenizer.vocabulary),
            "end_id": self.writing_rules().end_id,
            "max_samples": int(self.max_samples),
        }

    def export_outputs(self, inputs):
        """`token_ids`: the text, then the token that ends it."""
        rules = self.writing_rules()
        heard = self.heard(inputs, rules)
        return {"token_ids": greedy_ids(self.writer, heard, rules)}

    def reference_outputs(self, inputs):
        """As `export_outputs`, by a search that shares no code with it."""
        rules, model = self.writing_rules(), self.writer
        rows = {"samples": inputs["samples"][np.newaxis]}
        heard = self.heard(rows, rules)
        prompt = list(rules.prompt)
        room = int(ops.convert_to_numpy(heard.limits)[0]) - len(prompt) + 1
        places = heard.blank.shape[1] - len(prompt) + 1
        caches = model.self_caches(1, heard.blank.shape[1] + 1)
        given, place, written = np.array([prompt]), 0, []
        while len(written) < room:
            logits, caches = model.decode_step(
                given, place, caches, heard.context
            )
            scores = np.array(ops.convert_to_numpy(logits)[0, -1], "float64")
            scores[list(rules.banned_ids)] = -np.inf
            if not written:
                scores[list(rules.banned_first_ids)] = -np.inf
            place += given.shape[1]
            given = scores.argmax().reshape(1, 1)
            if given.item() == rules.end_id:
                break
            written.append(given.item())
        written += [rules.end_id] * (places - len(written))
        return {"token_ids": np.array(written, "int32")}

    def export_probes(self):
        """Two awkward lengths."""
        waves = probe_waveforms(self.sampling_rate_hz, self.min_samples)
        return [
            {"samples": wave[: self.max_samples]}
            for wave in (waves[1], waves[4])
        ]

    def typical_input(self):
        size = min(10 * self.sampling_rate_hz, self.max_samples)
        noise = np.random.default_rng(0).normal(scale=0.1, size=size)
        return {"samples": noise.astype("float32")}, "10 s of noise"

    def calibration_inputs(self, items):
        return [
            {"samples": samples[: self.max_samples]}
            for samples in read_whole(items, self)
        ]


def _abstract(task, name):
    return NotImplementedError(f"{type(task).__name__} does not define {name}.")


def _batches(places, size):
    return [places[i : i + size] for i in range(0, len(places), size)]


def _filled(rows):
    """Rows and copies of the last: a power of two."""
    count = 1 << (len(rows) - 1).bit_length()
    return rows + rows[-1:] * (count - len(rows))
