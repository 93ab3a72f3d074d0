"""The input pipeline of speech recognition: examples to padded batches.

Shape letters: `B` utterances, `L` samples (padded), `U` tokens (padded).
"""

import numpy as np

from keras_selfattn.data.audio_cache import decode_all, to_float
from keras_selfattn.data.augmentation import change_speed
from keras_selfattn.data.batching import ctc_frames_needed
from keras_selfattn.data.timed_feed import Fed, TimedFeed
from keras_selfattn.data.utterance_dataset import UtteranceDataset
from keras_selfattn.preprocessing.audio import AudioError, read_audio
from keras_selfattn.preprocessing.transcripts import normalize_transcript


class SpeechDataset(UtteranceDataset):
    """Batches of speech and token ids, the same for the same seed and epoch.

    A batch is `({"samples": float32 (B, L), "num_samples": int32 (B,)},
    token_ids int32 (B, U))`, both padded with 0. `U` depends on `L` alone,
    so that the number of shapes is the number of lengths.

    Call `set_epoch(epoch)` before each epoch and run it as its own `fit`,
    with `shuffle=False`; see `UtteranceDataset`.

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
        if batch_size is None and batch_seconds is None:
            batch_size = 16
        super().__init__(
            int(length_multiple_seconds * sampling_rate_hz),
            batch_size,
            batch_seconds and int(batch_seconds * sampling_rate_hz),
            augmenter,
            augment_from_epoch,
            shuffle,
            shortest_first_epochs,
            seed,
            workers,
        )
        self.sampling_rate_hz = sampling_rate_hz
        self._max_samples = int(max_seconds * sampling_rate_hz)
        self._samples_per_frame = frame_seconds * sampling_rate_hz
        self._encode(list(examples), tokenizer, normalize)
        self._cached = None
        if cache:
            paths = [e.path for e in self.examples]
            self._cached = decode_all(
                paths, sampling_rate_hz, workers, progress
            )
        self._drop_unusable()
        self._begin(progress)

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
        keep = []
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

    @property
    def padded_seconds(self):
        """Seconds of audio in this epoch's batches, padding included."""
        return self.padded_values / self.sampling_rate_hz

    def _values(self, i):
        if self._cached is None:
            path = self.examples[i].path
            return read_audio(path, self.sampling_rate_hz)
        return to_float(self._cached[i])

    def _changed_speed(self, values, speed):
        return change_speed(values, speed)

    def batches(self):
        """Yields the epoch's batches in order, made ahead by the workers."""
        yield from TimedFeed(self, Fed(), self.workers).batches()
