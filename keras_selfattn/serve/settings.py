"""What the service is told when it starts: limits, presets, access."""

from dataclasses import dataclass, field

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class Settings:
    """The settings of a service; all limits are enforced.

    Args:
        workers: int >= 1, processes that compute; each has every model.
        batch_size: int >= 1, requests given to a worker at once.
        batch_wait_ms: float >= 0, the longest that a request waits for others
            while a worker is idle.
        queue_size: int >= 1, requests accepted and not answered yet; one more
            is refused with 429.
        max_upload_bytes: int, longest body of a recording; else 413. Bodies of
            texts are 1 MiB at most.
        max_audio_seconds: float, longest recording; else 413.
        max_characters: int, most characters of all texts of a request; else
            413.
        max_texts: int, most texts of a request; else 413.
        time_limit_s: float, within which a request is answered; else 504.
        body_seconds: float, within which a body has to arrive; else 408.
        max_streams: int >= 0, live streams at once; one more is refused.
        stream_idle_s: float, a stream that sends nothing for so long is ended.
        max_stream_s: float, longest stream, in seconds of speech.
        token: str that requests must bring, or None.
        hosts: host names under which the service may be called ("*": any). A
            web page elsewhere that resolves its own name to this machine is
            so refused.
    """

    workers: int = 2
    batch_size: int = 8
    batch_wait_ms: float = 0.0
    queue_size: int = 64
    max_upload_bytes: int = 25 * 2**20
    max_audio_seconds: float = 900.0
    max_characters: int = 20_000
    max_texts: int = 100
    time_limit_s: float = 60.0
    body_seconds: float = 30.0
    max_streams: int = 8
    stream_idle_s: float = 30.0
    max_stream_s: float = 4 * 3600.0
    token: str | None = field(default=None, repr=False)
    hosts: tuple = LOOPBACK

    def __post_init__(self):
        """Refuses what cannot work, before anything is started."""
        for name in ("workers", "batch_size", "queue_size", "max_texts"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ValueError(
                    f"{name} is {value!r}; expected an integer >= 1."
                )
        for name in ("time_limit_s", "body_seconds", "stream_idle_s"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}; expected a number of "
                    "seconds > 0."
                )
        if self.batch_wait_ms < 0 or self.max_streams < 0:
            raise ValueError(
                f"batch_wait_ms={self.batch_wait_ms}, max_streams="
                f"{self.max_streams}; expected nothing below 0."
            )
        if self.token is not None and not (
            self.token.strip() == self.token != ""
        ):
            raise ValueError(
                "the token is empty or has blanks around it; give a long "
                "random one, or none."
            )
