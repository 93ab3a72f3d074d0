"""The second pass of a stream: what was spoken is heard again, in full.

Shape letter: `L` samples.
"""

import numpy as np

from keras_selfattn.preprocessing.audio import AudioError
from keras_selfattn.runtime.transcriber import MAX_PIECE_SECONDS

LEAD_SECONDS = 0.5
PAUSE_SECONDS = 0.5
# With its lead, a segment is one piece for a Transcriber.
LONGEST_SEGMENT_SECONDS = MAX_PIECE_SECONDS - LEAD_SECONDS


class SecondPass:
    """Keeps the samples of a segment, and transcribes them when it ends.

    A stream hears a word before it knows the next; the whole of a segment
    says it better. The second pass has the error rate of recordings, and
    costs their computing time once a segment.

    A segment keeps the end of the silence before it (its lead, half a second
    at most): a stream that notices a word late has its beginning there.

    Reference: Zhang et al. 2020 (arXiv:2012.05481), section 2. Differs: the
    second pass is CTC with full context, where they rescore with a decoder.

    Args:
        transcriber: Transcriber of the second pass.
        sampling_rate_hz: int, of the stream.
        search: `SpeechSearch`, or None.

    Raises:
        AudioError: the transcriber takes another sampling rate.
    """

    def __init__(self, transcriber, sampling_rate_hz, search=None):
        if transcriber.sampling_rate_hz != sampling_rate_hz:
            raise AudioError(
                f"The second pass takes {transcriber.sampling_rate_hz} Hz, "
                f"the stream {sampling_rate_hz} Hz; give files of one rate."
            )
        self._transcriber = transcriber
        self._rate_hz, self._search = sampling_rate_hz, search
        self.reset()

    def reset(self, samples=(), lead_samples=0):
        """Begin a segment, with the samples and the lead that it has."""
        self._blocks = [np.array(samples, "float32")]
        self.lead_samples = int(lead_samples)

    @property
    def samples(self):
        """The samples `(L,)` of the segment so far, its lead in front."""
        return np.concatenate(self._blocks)

    def add(self, samples):
        """Take the next samples of the segment."""
        self._blocks.append(np.array(samples, "float32"))

    def read(self, start_s):
        """Return the `Transcript` of the segment, in the stream's time.

        Args:
            start_s: float, when the segment began, without its lead.
        """
        lead_s = self.lead_samples / self._rate_hz
        heard = self._transcriber.transcribe(self.samples, search=self._search)
        return heard.moved(start_s - lead_s)

    def next_segment(self, silent_s):
        """Begin the next segment.

        Args:
            silent_s: float, silence at the end of this one. Half of it at
                most is led on: its beginning still sounds of the last word.
                What is shorter than a pause may stand within a word: nothing
                is led on.
        """
        lead_s = min(LEAD_SECONDS, silent_s / 2)
        if silent_s < PAUSE_SECONDS:
            lead_s = 0.0
        samples = self.samples
        lead = min(int(lead_s * self._rate_hz), len(samples))
        self.reset(samples[len(samples) - lead :], lead)
