"""The input pipeline of recognisers that write token by token.

Shape letters: `B` utterances, `L` samples (padded), `T` tokens (padded).
"""

import numpy as np

from keras_selfattn.data.speech_dataset import SpeechDataset


class DictationDataset(SpeechDataset):
    """Batches of speech and of what is read and written of its texts.

    A batch is `({"samples": float32 (B, L), "token_ids": int32 (B, T)}, labels
    int32 (B, T))`, the labels -1 where there is none. Sound is padded to the
    longest of the batch, or, in a share of the batches, to the whole window
    that is heard at use: so a training learns silence behind a text and need
    not always compute it. The draw is a function of seed, epoch and batch.

    Args:
        examples: iterable of `SpeechExample`.
        task: recogniser with `text_ids`, `text_rows` and `sampling_rate_hz`,
            such as a WhisperRecognizer.
        window_seconds: float, the window; longer utterances stay as they are.
        full_window_rate: float, 0 to 1, the share of batches padded to it.
        **options: more of SpeechDataset.

    Raises:
        ValueError: a rate out of its range.

    Example:
    ```python
    dataset = DictationDataset(examples, whisper, 10.0, batch_seconds=32)
    for epoch in range(2):
        dataset.set_epoch(epoch)
        whisper.fit(dataset.for_backend(), shuffle=False)
    ```
    """

    def __init__(
        self,
        examples,
        task,
        window_seconds,
        full_window_rate=0.25,
        **options,
    ):
        if not 0 <= full_window_rate <= 1:
            raise ValueError(
                f"full_window_rate={full_window_rate}; expected 0 to 1."
            )
        self._task = task
        self._window = round(window_seconds * task.sampling_rate_hz)
        self._full_window_rate = full_window_rate
        self._prompt_length = len(task.writing_rules().prompt)
        super().__init__(
            examples,
            _Spelling(task),
            task.sampling_rate_hz,
            frame_seconds=1e-4,  # a decoder needs no frame for each token
            **options,
        )

    def rows_of(self, index, places):
        batch = self._batches[index]
        chosen = [batch.indices[place] for place in places]
        inputs, padded = super().rows_of(index, places)
        samples = inputs["samples"]
        draw = np.random.default_rng(
            [self._seed, self.epoch, int(batch.indices[0])]
        ).random()
        missing = self._window - samples.shape[1]
        if draw < self._full_window_rate and missing > 0:
            samples = np.pad(samples, ((0, 0), (0, missing)))
        token_ids, labels = self._task.text_rows(
            [self._tokens[i].tolist() for i in chosen],
            padded.shape[1] + self._prompt_length,
        )
        return {"samples": samples, "token_ids": token_ids}, labels


class _Spelling:
    """What a SpeechDataset calls a tokenizer: the task's token ids."""

    def __init__(self, task):
        self._task = task

    def encode(self, text):
        return self._task.text_ids(text) if text else []
