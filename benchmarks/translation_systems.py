"""One way to translate, in a process of its own, for `translation.py`.

Answers requests on stdin, see `keras_selfattn.measuring.serve`:

- `prepare`: loads one system;
- `translate`: token ids of the lines;
- `time`: seconds of the same, of the clock and of the processor;
- `make_files`: exports the preset's weights to our .tflite files and converts
  them for CTranslate2.

All systems take text and give text: cutting, tokenizing and joining are
counted for everybody, and done by the same code. Lines are sorted by length
and then translated `batch` at a time.
"""

import time
from pathlib import Path

from keras_selfattn import measuring
from keras_selfattn.preprocessing.translation_text import (
    cut_lines,
    join_pieces,
)

THREADS = 1
ALPHA = 1.0
FILES = {"float": "float16", "int8": "dynamic"}  # names of `quantize`
INSTALL = {
    "ctranslate2": "pip install ctranslate2",
    "keras_hub": "pip install keras-hub==0.32.0",
    "tensorflow": "pip install tensorflow",
    "ai_edge_litert": "pip install ai-edge-litert",
}


def need(module):
    """Raises an ImportError that says how to install what is absent."""
    import importlib.util

    if importlib.util.find_spec(module) is None:
        raise ImportError(f"{module} is not installed: {INSTALL[module]}")


def load_task(preset):
    """The preset as a Keras task, on one thread."""
    import keras

    from keras_selfattn.tasks import Translator

    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(THREADS)
    task = Translator.from_preset_folder(preset)
    if not isinstance(task, Translator):
        raise ValueError(f"{preset} is a {type(task).__name__}, no Translator.")
    return task


def in_batches(lines, task, batch, write):
    """Token ids of each line, as `Translator.translate` finds them.

    Args:
        lines: list of str.
        task: our Translator, for its tokenizers and its longest source.
        batch: int, rows translated at once.
        write: function of rows (lists of source ids) and of their places
            among all rows; gives the token ids of each.
    """
    rows, owners = cut_lines(lines, task.tokenizer, task.max_source_tokens)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    written = [None] * len(rows)
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        found = write([rows[i] for i in chosen], chosen)
        for i, ids in zip(chosen, found, strict=True):
            written[i] = (ids, 0.0)
    joined = join_pieces(len(lines), owners, written, task.writer)
    return [line["token_ids"] for line in joined]


class OurTask:
    """`Translator.translate` of Keras, on this process's backend."""

    def __init__(self, preset, folder):
        self.task = load_task(preset)

    def translate(self, lines, batch, beam, lengths):
        found = self.task.translate(
            lines, beam=beam, alpha=ALPHA, details=True, batch_size=batch
        )
        return [line["token_ids"] for line in found]


class OurFile:
    """The runtime on an exported file; it takes one line after another."""

    def __init__(self, preset, folder, kind):
        need("ai_edge_litert")
        from keras_selfattn.runtime.translator import Translator

        self.runtime = Translator(
            folder / f"{kind}.tflite", num_threads=THREADS
        )

    def translate(self, lines, batch, beam, lengths):
        return [
            self.runtime.translate(line, beam=beam, alpha=ALPHA).token_ids
            for line in lines
        ]


class CTranslate2:
    """CTranslate2 with the preset's weights."""

    def __init__(self, preset, folder, compute_type):
        need("ctranslate2")
        import ctranslate2

        self.task = load_task(preset)
        places = self.task.transformer.max_sequence_length
        self.most = min(filter(None, (self.task.max_target_tokens, places)))
        self.words = self.task.tokenizer.vocabulary
        self.target_words = self.task.writer.vocabulary
        self.target_ids = {word: i for i, word in enumerate(self.target_words)}
        self.never = [[self.target_words[i]] for i in (0, 1)]
        self.model = ctranslate2.Translator(
            str(folder / "ctranslate2"),
            device="cpu",
            compute_type=compute_type,
            inter_threads=1,
            intra_threads=THREADS,
        )

    def translate(self, lines, batch, beam, lengths):
        def write(rows, _):
            most = 2 * max(map(len, rows)) + 10  # as ours
            results = self.model.translate_batch(
                [[self.words[i] for i in row] for row in rows],
                beam_size=beam,
                length_penalty=ALPHA,
                max_decoding_length=min(most, self.most),
                suppress_sequences=self.never,
                disable_unk=True,
            )
            return [
                [self.target_ids[word] for word in result.hypotheses[0]]
                for result in results
            ]

        return in_batches(lines, self.task, batch, write)


class KerasHub:
    """KerasHub's layers and samplers with the preset's weights."""

    def __init__(self, preset, folder):
        need("keras_hub")
        from translation_keras_hub import HubTranslator

        self.task = load_task(preset)
        self.model = HubTranslator(self.task)

    def translate(self, lines, batch, beam, lengths):
        if lengths is None:
            raise ValueError(
                "KerasHub is told how many tokens to write, and our system "
                "that would say so did not run."
            )
        # A line of several pieces: an even share of its tokens for each.
        rows, owners = cut_lines(
            lines, self.task.tokenizer, self.task.max_source_tokens
        )
        shares = [
            max(1, lengths[owner] // owners.count(owner)) for owner in owners
        ]

        def write(rows, places):
            return self.model.write(rows, [shares[i] for i in places], beam)

        return in_batches(lines, self.task, batch, write)


def make_files(preset, folder):
    """Exports and converts what is not in `folder` yet.

    Returns:
        dict of the files that could not be made to the reasons.
    """
    folder, failed = Path(folder), {}
    folder.mkdir(parents=True, exist_ok=True)
    task = load_task(preset)

    def to_ctranslate2():
        need("ctranslate2")
        from translation_ctranslate2 import convert

        convert(task, folder / "ctranslate2")

    def to_file(kind):
        def export():
            need("tensorflow")
            task.export(folder / f"{kind}.tflite", quantize=FILES[kind])

        return export

    makers = {
        "ctranslate2": (folder / "ctranslate2/model.bin", to_ctranslate2),
        **{kind: (folder / f"{kind}.tflite", to_file(kind)) for kind in FILES},
    }
    for name, (path, make) in makers.items():
        if path.is_file():
            continue
        try:
            make()
        except (ValueError, ImportError, RuntimeError) as error:
            failed[name] = str(error)
    return {"failed": failed}


SYSTEMS = {
    "keras": (OurTask,),
    "litert_float": (OurFile, "float"),
    "litert_int8": (OurFile, "int8"),
    "ct2_float32": (CTranslate2, "float32"),
    "ct2_int8": (CTranslate2, "int8"),
    "hub": (KerasHub,),
}


class Server:
    """Holds the system of the last `prepare`."""

    def prepare(self, system, preset, folder, lines):
        """Loads a system, and keeps the lines that it will translate."""
        self.lines = lines
        make, *options = SYSTEMS[system]
        self.system = make(Path(preset), Path(folder), *options)
        return {}

    def translate(self, batch, beam, lengths=None):
        """Token ids of each line."""
        found = self.system.translate(self.lines, batch, beam, lengths)
        return {"token_ids": [list(map(int, ids)) for ids in found]}

    def time(self, batch, beam, lengths=None):
        """Seconds, of the clock and of the processor, of one run."""
        start, processor = time.perf_counter(), time.process_time()
        self.system.translate(self.lines, batch, beam, lengths)
        return {
            "cpu_s": time.process_time() - processor,
            "seconds": time.perf_counter() - start,
        }


if __name__ == "__main__":
    server = Server()
    measuring.serve(
        {
            "make_files": make_files,
            "prepare": server.prepare,
            "translate": server.translate,
            "time": server.time,
        }
    )
