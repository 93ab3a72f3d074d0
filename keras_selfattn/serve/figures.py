"""What the service counts, in Prometheus's text format.

Labels have few values, whatever is asked for: paths are those of the routes.
"""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Figures:
    """The counters of one service, in a registry of their own.

    Args:
        pool: `Pool`, or None; its queue and its workers are read when asked.
    """

    def __init__(self, pool=None):
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._pool = pool

        def make(kind, name, about, labels=(), **options):
            return kind(
                f"keras_selfattn_{name}",
                about,
                labels,
                registry=self.registry,
                **options,
            )

        self.requests = make(
            Counter, "requests", "Requests answered.", ("path", "status")
        )
        self.seconds = make(
            Histogram,
            "request_seconds",
            "From a request's first byte to its answer's last.",
            ("path",),
            buckets=SECONDS,
        )
        self.batch_size = make(
            Histogram,
            "batch_size",
            "Jobs given to a worker at once.",
            buckets=(1, 2, 4, 8, 16, 32, 64),
        )
        self.restarts = make(
            Counter, "worker_restarts", "Workers that hung or crashed."
        )
        self.audio_seconds = make(
            Counter, "audio_seconds", "Seconds of speech heard.", ("how",)
        )
        self.streams = make(Gauge, "streams", "Live streams now.")
        self._accepted = make(
            Gauge, "requests_in_progress", "Requests accepted, not answered."
        )
        self._waiting = make(Gauge, "queue_length", "Jobs not begun.")
        self._workers = make(Gauge, "workers", "Worker processes that run.")

    @property
    def accepted(self):
        """Gauge of the requests in progress."""
        return self._accepted

    def text(self, pool):
        """All figures now, as bytes in Prometheus's text format.

        Args:
            pool: `Pool`, whose queue and workers are read.
        """
        self._waiting.set(pool.waiting)
        self._workers.set(pool.alive)
        return generate_latest(self.registry)
