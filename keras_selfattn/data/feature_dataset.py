"""The input pipeline of recognisers that hear features: padded batches.

As `SpeechDataset`, for `FeatureExample`s.

Shape letters: `B` utterances, `T` frames (padded), `C` features of a frame,
`U` tokens (padded).
"""

import collections
import sys

import keras
import numpy as np

from keras_selfattn.data.augmentation import speed_length
from keras_selfattn.data.batching import (
    ctc_frames_needed,
    pad_batch,
    plan_batches,
    round_up,
    widths_for_lengths,
)
from keras_selfattn.data.feature_augmentation import change_feature_speed
from keras_selfattn.data.feeding import as_tf_dataset, for_backend
from keras_selfattn.preprocessing.transcripts import normalize_transcript

_TOKEN_MULTIPLE = 8


class FeatureDataset(keras.utils.PyDataset):
    """Batches of features and token ids, the same for same seed and epoch.

    A batch is `({"samples": float32 (B, T, C), "num_samples": int32 (B,)},
    token_ids int32 (B, U))`, padded with 0; with `teacher_forcing` the dict
    has "token_ids", too. Use it as `SpeechDataset`: `set_epoch(epoch)`, then a
    `fit` with `shuffle=False`.

    Utterances without text, with text that the tokenizer cannot spell, or with
    more tokens than CTC can place are left out (`dropped`) and counted.

    Args:
        examples: iterable of `FeatureExample`.
        tokenizer: object with `encode(text)`.
        batch_frames: int. Padded frames of a batch.
        frames_per_output: int. Feature frames to one frame of the model's
            output, for the CTC check. Defaults to 4.
        length_multiple: int. `T` is a multiple. Defaults to 50.
        augmenter: `FeatureAugmenter`, or None.
        augment_from_epoch: int. First epoch that is augmented. Default 0.
        shuffle: bool. False for evaluation: ordered by length. Default True.
        shortest_first_epochs: int. First epochs from short to long.
        teacher_forcing: bool. Give the token ids as an input, too.
        normalize: callable on each text. Defaults to `normalize_transcript`.
        seed: int. Defaults to 0.
        progress: bool. Report on stderr. Defaults to True.

    Raises:
        ValueError: where no utterance can be used.

    Example:
    ```python
    dataset = FeatureDataset(
        read_feature_manifest("speech/an4-mfcc", "train"),
        CharacterTokenizer(),
    )
    ```
    """

    def __init__(
        self,
        examples,
        tokenizer,
        batch_frames=6400,
        frames_per_output=4,
        length_multiple=50,
        augmenter=None,
        augment_from_epoch=0,
        shuffle=True,
        shortest_first_epochs=0,
        teacher_forcing=False,
        normalize=normalize_transcript,
        seed=0,
        progress=True,
    ):
        super().__init__()
        self._batch_frames = batch_frames
        self._frames_per_output = frames_per_output
        self._length_multiple = length_multiple
        self.augmenter = augmenter
        self._fastest = max(1.0, *augmenter.speeds) if augmenter else 1.0
        self._augment_from_epoch = augment_from_epoch
        self._shuffle = shuffle
        self._shortest_first_epochs = shortest_first_epochs
        self._teacher_forcing = teacher_forcing
        self._seed = seed
        self.dropped = collections.defaultdict(list)  # reason -> examples
        self.examples, self._tokens = [], []
        for example in examples:
            reason = self._refuse(example, tokenizer, normalize)
            if reason:
                self.dropped[reason].append(example)
        report = f"{len(self.examples)} utterances kept; left out: " + (
            ", ".join(f"{len(x)} {why}" for why, x in self.dropped.items())
        )
        if not self.examples:
            raise ValueError(f"No utterance can be used: {report}.")
        if self.dropped and progress:
            print(f"{report}.", file=sys.stderr)
        self._lengths = [len(e.features) for e in self.examples]
        fastest = [speed_length(n, self._fastest) for n in self._lengths]
        self._widths = widths_for_lengths(
            round_up(np.asarray(fastest), length_multiple),
            [len(tokens) for tokens in self._tokens],
            _TOKEN_MULTIPLE,
        )
        self.set_epoch(0)

    def _refuse(self, example, tokenizer, normalize):
        """Keeps an example, or says why not."""
        try:
            token_ids = tokenizer.encode(normalize(example.text))
        except ValueError:
            return "text that cannot be spelled"
        if not token_ids:
            return "no text"
        needed = ctc_frames_needed(token_ids) * self._frames_per_output
        if needed > len(example.features) / self._fastest:
            return "too much text for the frames"
        self.examples.append(example)
        self._tokens.append(np.asarray(token_ids, "int32"))
        return None

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
        batches = plan_batches(
            list(map(speed_length, self._lengths, speeds)),
            self._length_multiple,
            batch_samples=self._batch_frames,
            generator=generator if self._shuffle else None,
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
    def padded_frames(self):
        """Frames in this epoch's batches, padding included."""
        return sum(len(b.indices) * b.padded_length for b in self._batches)

    def batch_examples(self, index):
        """The `FeatureExample`s of the rows of batch `index`, in order."""
        return [self.examples[i] for i in self._batches[index].indices]

    def __getitem__(self, index):
        if not 0 <= index < len(self._batches):
            raise IndexError(f"batch {index} of {len(self._batches)}")
        batch = self._batches[index]
        width = max(
            w for p, w in self._widths.items() if p <= batch.padded_length
        )
        inputs, token_ids = pad_batch(
            [self._features(i) for i in batch.indices],
            [self._tokens[i] for i in batch.indices],
            batch.padded_length,
            width,
        )
        if self._teacher_forcing:
            inputs["token_ids"] = token_ids
        return inputs, token_ids

    def _features(self, i):
        features = np.asarray(self.examples[i].features, "float32")
        if not self._is_augmented:
            return features
        features = change_feature_speed(features, float(self._speeds[i]))
        seed = [self._seed, self.epoch, i]
        return self.augmenter(features, np.random.default_rng(seed))

    def batches(self):
        """Yields the epoch's batches in order."""
        for index in range(len(self)):
            yield self[index]

    def as_tf_dataset(self):
        """This epoch's batches as a `tf.data.Dataset`, dimensions open."""
        return as_tf_dataset(self)

    def for_backend(self):
        """What `fit` takes on this backend; ask anew after `set_epoch`."""
        return for_backend(self)
