"""The input pipeline of speech recognition: examples to padded batches.

It is a `keras.utils.PyDataset`, not a Grain pipeline: measured with opus
decoding, Grain was no faster (220-480 seconds of audio per second, both),
it is one dependency more, and its exact restart is had here by making the
batches a function of (seed, epoch). Neither works on the TensorFlow backend
once lengths vary, so `as_tf_dataset` wraps the same batches in tf.data;
`for_backend` picks.

Shape letters: `B` utterances, `L` samples (padded), `U` tokens (padded).
"""

import collections
import concurrent.futures
import sys

import keras
import numpy as np

from keras_selfattn.data.audio_cache import decode_all, to_float
from keras_selfattn.data.augmentation import change_speed, speed_length
from keras_selfattn.data.batching import (
    ctc_frames_needed,
    pad_batch,
    plan_batches,
    round_up,
    widths_for_lengths,
)
from keras_selfattn.data.feeding import as_tf_dataset, for_backend
from keras_selfattn.preprocessing.audio import AudioError, read_audio
from keras_selfattn.preprocessing.transcripts import normalize_transcript

_TOKEN_MULTIPLE = 8


class SpeechDataset(keras.utils.PyDataset):
    """Batches of speech and token ids, the same for the same seed and epoch.

    A batch is `({"samples": float32 (B, L), "num_samples": int32 (B,)},
    token_ids int32 (B, U))`, both padded with 0. `U` depends on `L` alone,
    so that the number of shapes is the number of lengths.

    Call `set_epoch(epoch)` before each epoch and run it as its own `fit`,
    with `shuffle=False` (else Keras shuffles the batches once more, without
    a seed). Keras reads the number of batches once per `fit`, and calls
    `on_epoch_end` before the first epoch too, so neither is relied on.

    Utterances that cannot be used (see `dropped`) are left out and counted
    in one printed line: text the tokenizer cannot spell, no text, too long,
    more tokens than CTC can place in the frames, sound that cannot be read.

    Args:
        examples: iterable of `SpeechExample`.
        tokenizer: object with `encode(text)`.
        sampling_rate_hz: int. Defaults to 16000.
        batch_size: int. Utterances per batch (default 16); or
        batch_seconds: float. Padded audio per batch, in seconds.
        length_multiple_seconds: float. `L` is a multiple. Defaults to 0.5.
        max_seconds: float. Longer utterances are dropped. Defaults to 20.
        frame_seconds: float. Seconds per frame of the model's output, for
            the CTC check. Defaults to 0.04.
        augmenter: `Augmenter`, or None.
        augment_from_epoch: int. First epoch that is augmented. Default 0.
        shuffle: bool. False for evaluation: ordered by length. Default True.
        shortest_first_epochs: int. First epochs that go from short to long
            (a curriculum). Defaults to 0.
        cache: bool. Decode once and keep int16 samples in memory (115 MB
            per hour at 16 kHz), or decode for each batch. Defaults to True.
        normalize: callable on each text. Defaults to `normalize_transcript`.
        seed: int. Defaults to 0.
        workers: int. Threads that decode and make batches. Defaults to 1.
        progress: bool. Report on stderr. Defaults to True.

    Example:
    ```python
    dataset = SpeechDataset(
        read_manifest("speech/fsdd", "train"), CharacterTokenizer()
    )
    for epoch in range(10):
        dataset.set_epoch(epoch)
        task.fit(dataset.for_backend(), shuffle=False)
    ```
    """

    def __init__(
        self,
        examples,
        tokenizer,
        sampling_rate_hz=16000,
        batch_size=None,
        batch_seconds=None,
        length_multiple_seconds=0.5,
        max_seconds=20.0,
        frame_seconds=0.04,
        augmenter=None,
        augment_from_epoch=0,
        shuffle=True,
        shortest_first_epochs=0,
        cache=True,
        normalize=normalize_transcript,
        seed=0,
        workers=1,
        progress=True,
    ):
        if workers < 1:
            raise ValueError(f"workers={workers}; expected at least 1.")
        super().__init__(workers=workers)
        if batch_size is None and batch_seconds is None:
            batch_size = 16
        self.sampling_rate_hz = sampling_rate_hz
        self.batch_size = batch_size
        self._batch_samples = None
        if batch_seconds is not None:
            self._batch_samples = int(batch_seconds * sampling_rate_hz)
        self._length_multiple = int(length_multiple_seconds * sampling_rate_hz)
        self._max_samples = int(max_seconds * sampling_rate_hz)
        self._samples_per_frame = frame_seconds * sampling_rate_hz
        self.augmenter = augmenter
        self._fastest = max(1.0, *augmenter.speeds) if augmenter else 1.0
        self._augment_from_epoch = augment_from_epoch
        self._shuffle = shuffle
        self._shortest_first_epochs = shortest_first_epochs
        self._seed = seed
        self._progress = progress
        self.dropped = collections.defaultdict(list)  # reason -> examples
        self.examples, self._tokens = [], []
        self._encode(list(examples), tokenizer, normalize)
        self._cached = None
        if cache:
            paths = [e.path for e in self.examples]
            self._cached = decode_all(
                paths, sampling_rate_hz, workers, progress
            )
        self._drop_unusable()
        self._widths = self._token_widths()
        self.set_epoch(0)

    def _encode(self, examples, tokenizer, normalize):
        for example in examples:
            try:
                token_ids = tokenizer.encode(normalize(example.text))
            except ValueError:
                self.dropped["text that cannot be spelled"].append(example)
                continue
            if not token_ids:
                self.dropped["no text"].append(example)
            elif self._samples_of(example) > self._max_samples:
                self.dropped["too long"].append(example)
            else:
                self.examples.append(example)
                self._tokens.append(np.asarray(token_ids, "int32"))

    def _samples_of(self, example):
        return round(example.duration_s * self.sampling_rate_hz)

    def _drop_unusable(self):
        keep, self._lengths = [], []
        for index, example in enumerate(self.examples):
            length = self._samples_of(example)
            if self._cached:
                if isinstance(self._cached[index], AudioError):
                    self.dropped["sound that cannot be read"].append(example)
                    continue
                length = len(self._cached[index])
            # One frame is left for how the front end treats the ends.
            needed = 1 + ctc_frames_needed(self._tokens[index])
            if needed * self._samples_per_frame > length / self._fastest:
                self.dropped["too much text for the frames"].append(example)
            elif length > self._max_samples:
                self.dropped["too long"].append(example)
            else:
                keep.append(index)
                self._lengths.append(length)
        self.examples = [self.examples[index] for index in keep]
        self._tokens = [self._tokens[index] for index in keep]
        if self._cached is not None:
            self._cached = [self._cached[index] for index in keep]
        report = f"{len(keep)} utterances kept; left out: " + ", ".join(
            f"{len(dropped)} {reason}"
            for reason, dropped in self.dropped.items()
        )
        if not keep:
            raise ValueError(f"No utterance can be used: {report}.")
        if self.dropped and self._progress:
            print(f"{report}.", file=sys.stderr)

    def _token_widths(self):
        lengths = [speed_length(n, self._fastest) for n in self._lengths]
        return widths_for_lengths(
            round_up(np.asarray(lengths), self._length_multiple),
            [len(tokens) for tokens in self._tokens],
            _TOKEN_MULTIPLE,
        )

    def set_epoch(self, epoch, first_batch=0):
        """Fixes order, batches and augmentation, exactly, for an epoch.

        Args:
            epoch: int, from 0.
            first_batch: int. Leave out the batches before it, to resume.
        """
        generator = np.random.default_rng([self._seed, epoch])
        speeds = np.ones(len(self.examples))
        self._is_augmented = (
            self.augmenter is not None and epoch >= self._augment_from_epoch
        )
        if self._is_augmented:
            speeds = self.augmenter.draw_speeds(len(speeds), generator)
        lengths = list(map(speed_length, self._lengths, speeds))
        batches = plan_batches(
            lengths,
            self._length_multiple,
            self.batch_size,
            self._batch_samples,
            generator if self._shuffle else None,
            shortest_first=epoch < self._shortest_first_epochs,
        )
        if not 0 <= first_batch <= len(batches):
            raise ValueError(
                f"first_batch={first_batch}; there are {len(batches)} batches."
            )
        self.epoch = epoch
        self._speeds = speeds
        self._batches = batches[first_batch:]

    def __len__(self):
        return len(self._batches)

    @property
    def padded_seconds(self):
        """Seconds of audio in this epoch's batches, padding included."""
        sizes = (len(b.indices) * b.padded_length for b in self._batches)
        return sum(sizes) / self.sampling_rate_hz

    def batch_examples(self, index):
        """The `SpeechExample`s of the rows of batch `index`, in order."""
        return [self.examples[i] for i in self._batches[index].indices]

    def __getitem__(self, index):
        if not 0 <= index < len(self._batches):
            raise IndexError(f"batch {index} of {len(self._batches)}")
        batch = self._batches[index]
        rows = [self._samples(i) for i in batch.indices]
        # Without the cache the corpus's duration may be a little short.
        padded_length = max(
            batch.padded_length,
            round_up(max(map(len, rows)), self._length_multiple),
        )
        width = max(w for p, w in self._widths.items() if p <= padded_length)
        tokens = [self._tokens[i] for i in batch.indices]
        return pad_batch(rows, tokens, padded_length, width)

    def _samples(self, i):
        if self._cached is None:
            path = self.examples[i].path
            samples = read_audio(path, self.sampling_rate_hz)
        else:
            samples = to_float(self._cached[i])
        if not self._is_augmented:
            return samples
        samples = change_speed(samples, float(self._speeds[i]))
        seed = [self._seed, self.epoch, i]
        return self.augmenter(samples, np.random.default_rng(seed))

    def batches(self):
        """Yields the epoch's batches in order, made ahead by the workers."""
        with concurrent.futures.ThreadPoolExecutor(self.workers) as pool:
            ahead = collections.deque()
            for index in range(len(self)):
                ahead.append(pool.submit(self.__getitem__, index))
                if len(ahead) > 2 * self.workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    def as_tf_dataset(self):
        """This epoch's batches as a `tf.data.Dataset`, dimensions open."""
        return as_tf_dataset(self)

    def for_backend(self):
        """What `fit` takes on this backend; ask anew after `set_epoch`."""
        return for_backend(self)
