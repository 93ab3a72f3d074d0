"""The input pipeline of recognisers that hear features: padded batches.

As `SpeechDataset`, for `FeatureExample`s.

Shape letters: `B` utterances, `T` frames (padded), `C` features of a frame,
`U` tokens (padded).
"""

import numpy as np

from keras_selfattn.data.batching import ctc_frames_needed
from keras_selfattn.data.feature_augmentation import change_feature_speed
from keras_selfattn.data.utterance_dataset import UtteranceDataset
from keras_selfattn.preprocessing.transcripts import normalize_transcript


class FeatureDataset(UtteranceDataset):
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
        super().__init__(
            length_multiple,
            None,
            batch_frames,
            augmenter,
            augment_from_epoch,
            shuffle,
            shortest_first_epochs,
            seed,
        )
        self._frames_per_output = frames_per_output
        self._teacher_forcing = teacher_forcing
        for example in examples:
            reason = self._refuse(example, tokenizer, normalize)
            if reason:
                self.dropped[reason].append(example)
        self._lengths = [len(e.features) for e in self.examples]
        self._begin(progress)

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

    @property
    def padded_frames(self):
        """Frames in this epoch's batches, padding included."""
        return self.padded_values

    def rows_of(self, index, places):
        inputs, token_ids = super().rows_of(index, places)
        if self._teacher_forcing:
            inputs["token_ids"] = token_ids
        return inputs, token_ids

    def _values(self, i):
        return np.asarray(self.examples[i].features, "float32")

    def _changed_speed(self, values, speed):
        return change_feature_speed(values, speed)
