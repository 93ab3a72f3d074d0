"""Batches of speech from prepared corpora, which need not fit into memory.

Shape letters: `B` utterances, `L` samples (padded), `U` tokens (padded).
"""

import numpy as np

from keras_selfattn.data.augmentation import change_speed
from keras_selfattn.data.batching import (
    ctc_frames_needed,
    pad_batch,
    round_up,
    widths_for_lengths,
)
from keras_selfattn.data.sharded_dataset import (
    WINDOW_EXAMPLES,
    ShardedDataset,
)
from keras_selfattn.preprocessing.audio import decode_audio
from keras_selfattn.preprocessing.transcripts import normalize_transcript

_TOKEN_MULTIPLE = 8


class ShardedSpeech(ShardedDataset):
    """Batches of speech and token ids, the same for the same seed and epoch.

    Batches are those of `SpeechDataset`, and what it leaves out is left out;
    sound is decoded when its batch is made. See `ShardedDataset` for order,
    memory and shares of processes.

    Args:
        corpora: list of `ShardedCorpus` of the kind "speech".
        tokenizer: object with `encode(text)` and `get_config()`.
        sampling_rate_hz: int. Defaults to 16000.
        batch_seconds: float. Padded audio per batch. Defaults to 64.
        length_multiple_seconds: float. `L` is a multiple. Defaults to 0.5.
        max_seconds: float. Longer utterances are left out. Defaults to 20.
        frame_seconds: float. Seconds per frame of the model's output, for
            the CTC check. Defaults to 0.04.
        augmenter: `Augmenter`, or None.
        augment_from_epoch: int. First epoch that is augmented.
        shuffle: bool.
        shortest_first_epochs: int.
        window_examples: int.
        normalize: callable on each text. Defaults to `normalize_transcript`.
        seed: int.
        workers: int. Threads that read and decode. Defaults to 2.
        measurements: path of a file that keeps lengths and numbers of tokens
            for the next start; or None: all rows are read anew.
        progress: called with (examples done, examples in all), or None.

    Example:
    ```python
    dataset = ShardedSpeech(
        [ShardedCorpus("prepared/train")], CharacterTokenizer()
    )
    for epoch in range(10):
        dataset.set_epoch(epoch)
        task.fit(dataset.for_backend(), shuffle=False)
    ```
    """

    def __init__(
        self,
        corpora,
        tokenizer,
        sampling_rate_hz=16000,
        batch_seconds=64.0,
        length_multiple_seconds=0.5,
        max_seconds=20.0,
        frame_seconds=0.04,
        augmenter=None,
        augment_from_epoch=0,
        shuffle=True,
        shortest_first_epochs=0,
        window_examples=WINDOW_EXAMPLES,
        normalize=normalize_transcript,
        seed=0,
        workers=2,
        measurements=None,
        progress=None,
    ):
        super().__init__(
            corpora,
            int(length_multiple_seconds * sampling_rate_hz),
            None,
            int(batch_seconds * sampling_rate_hz),
            shuffle,
            shortest_first_epochs,
            window_examples,
            seed,
            workers,
        )
        self.sampling_rate_hz = sampling_rate_hz
        self.augmenter = augmenter
        self._tokenizer = tokenizer
        self._normalize = normalize
        self._augment_from_epoch = augment_from_epoch
        self._max_samples = int(max_seconds * sampling_rate_hz)
        self._samples_per_frame = frame_seconds * sampling_rate_hz
        self._fastest = max(1.0, *augmenter.speeds) if augmenter else 1.0
        self._begin(
            [
                tokenizer.get_config(),
                normalize.__qualname__,
                sampling_rate_hz,
                max_seconds,
                frame_seconds,
                self._fastest,
            ],
            measurements,
            progress,
        )
        used = self._lengths > 0
        lengths = np.rint(self._lengths[used] / self._fastest).astype("int64")
        self._widths = widths_for_lengths(
            round_up(np.maximum(1, lengths), self._sizes[0]),
            self._num_tokens[used],
            _TOKEN_MULTIPLE,
        )

    def _token_ids(self, row):
        ids = self._tokenizer.encode(self._normalize(row["text"]))
        return np.asarray(ids, "int32")

    def _measure(self, row):
        try:
            token_ids = self._token_ids(row)
        except ValueError:
            return "text that cannot be spelled"
        if not len(token_ids):
            return "no text"
        length = round(row["seconds"] * self.sampling_rate_hz)
        if length > self._max_samples:
            return "too long"
        # One frame is left for how the front end treats the ends.
        needed = (1 + ctc_frames_needed(token_ids)) * self._samples_per_frame
        if needed > length / self._fastest:
            return "too much text for the frames"
        return length, len(token_ids)

    @property
    def _is_augmented(self):
        augments = self.augmenter is not None
        return augments and self.epoch >= self._augment_from_epoch

    def _draw_speeds(self, count, generator):
        if not self._is_augmented:
            return np.ones(count)
        return self.augmenter.draw_speeds(count, generator)

    @property
    def padded_seconds(self):
        """Seconds of audio in this epoch's batches, padding included."""
        return self.padded_values / self.sampling_rate_hz

    def samples(self, number):
        """The utterance of a number as it was recorded, float32 `(L,)`."""
        _, (sound,) = self.read(np.array([number]), sounds=True)
        return decode_audio(sound, self.sampling_rate_hz)

    def _arrays(self, batch):
        found, sounds = self.read(batch.numbers, sounds=True)
        rows = []
        for number, sound, speed in zip(batch.numbers, sounds, batch.speeds):
            values = decode_audio(sound, self.sampling_rate_hz)
            if self._is_augmented:
                values = change_speed(values, float(speed))
                seed = [self._seed, self.epoch, int(number)]
                values = self.augmenter(values, np.random.default_rng(seed))
            rows.append(values)
        longest = max(map(len, rows), default=0)
        length = max(batch.padded_length, round_up(longest, self._sizes[0]))
        width = max(w for p, w in self._widths.items() if p <= length)
        tokens = [self._token_ids(row) for row in found]
        return pad_batch(rows, tokens, length, width)
