"""Worker processes behind one bounded queue that gives out work in batches.

A `.tflite` file runs one example at a time, so a batch is no wider tensor: it
is a list of jobs of one model that a worker runs one after the other, in the
order of their lengths (an interpreter plans its memory anew when a length
changes) and without a word to this process in between.
"""

import contextlib
import math
import multiprocessing
import sys
import threading
import time
from collections import deque
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field

from keras_selfattn.serve.service_error import ServiceError
from keras_selfattn.serve.worker import work

START_SECONDS = 120.0
CLOSE_SECONDS = 10.0


@dataclass
class Job:
    """A request that waits, or is being answered.

    Args:
        number: int, of this job alone.
        model: str, name of its model.
        asked: dict, see `worker.Answerer.answer`.
        size: int, how much there is to read; orders the jobs of a batch.
        deadline: float, `time.monotonic()` at which nobody waits any more.
        future: of (status, answer).
        since: float, when it came.
    """

    number: int
    model: str
    asked: dict
    size: int
    deadline: float
    future: Future = field(default_factory=Future)
    since: float = field(default_factory=time.monotonic)

    def settle(self, status, answer):
        """Give the answer to who waits for it, if anybody still does."""
        with contextlib.suppress(InvalidStateError):
            self.future.set_result((status, answer))


class Pool:
    """Answers requests by worker processes.

    Args:
        models: list of ServedModel.
        settings: Settings.
        figures: `serve.figures.Figures`, or None.

    Example:
        >>> pool = Pool(models, settings)
        >>> pool.start()
        >>> future = pool.submit("asr", {"path": path}, size=32044)
        >>> status, answer = future.result()
        >>> pool.close()
    """

    def __init__(self, models, settings, figures=None):
        self._models, self._settings = models, settings
        self._figures = figures
        self._waiting = deque()
        self._changed = threading.Condition()
        self._numbers = 0
        self._closing = False
        self._running = 0
        self._mean_s = 0.05  # a job's time, smoothed; for Retry-After
        self._workers = [
            _Worker(self, index) for index in range(settings.workers)
        ]

    def start(self):
        """Start the processes and wait until each has opened its models.

        Raises:
            RuntimeError: one could not.
        """
        for worker in self._workers:
            worker.begin()
        try:
            for worker in self._workers:
                worker.wait_until_ready()
        except RuntimeError:
            self.close()
            raise
        for worker in self._workers:
            worker.thread.start()

    def submit(self, model, asked, size):
        """Queue a request.

        Args:
            model, asked, size: see `Job`.

        Returns:
            `concurrent.futures.Future` of (status, answer). Cancelling it
            takes it out of the queue.

        Raises:
            ServiceError: 429, the queue is full; 503, the pool is closing.
        """
        with self._changed:
            if self._closing:
                raise ServiceError(
                    503, "The service is shutting down.", "shutting_down"
                )
            if len(self._waiting) >= self._settings.queue_size:
                raise too_busy(self.retry_after_s())
            self._numbers += 1
            deadline = time.monotonic() + self._settings.time_limit_s
            job = Job(self._numbers, model, asked, size, deadline)
            self._waiting.append(job)
            self._changed.notify()
        return job.future

    @property
    def waiting(self):
        """How many jobs no worker has taken yet."""
        return len(self._waiting)

    @property
    def alive(self):
        """How many workers run."""
        return sum(worker.is_alive() for worker in self._workers)

    @property
    def process_ids(self):
        """The ids of the workers' processes."""
        return [worker.process_id for worker in self._workers]

    def retry_after_s(self):
        """In how many seconds, about, the queue will be empty: int >= 1."""
        rounds = (len(self._waiting) + self._running) / len(self._workers)
        return max(1, math.ceil(rounds * self._mean_s))

    def close(self):
        """Finish what was accepted, then end the processes."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.end()

    def next_batch(self):
        """The jobs that a worker shall do next, or None at the end.

        Waits for a first one, and then at most `batch_wait_ms` since it came
        for others of the same model.
        """
        most = self._settings.batch_size
        patience_s = self._settings.batch_wait_ms / 1000
        with self._changed:
            while True:
                self._drop_forgotten()
                if not self._waiting:
                    if self._closing:
                        return None
                    self._changed.wait()
                    continue
                first = self._waiting[0]
                left_s = first.since + patience_s - time.monotonic()
                alike = sum(job.model == first.model for job in self._waiting)
                if alike < most and left_s > 0 and not self._closing:
                    self._changed.wait(left_s)
                    continue
                return self._take(first.model, most)

    def _take(self, model, most):
        """Jobs of a model out of the queue, the oldest, shortest first."""
        batch, others = [], deque()
        # What others might do meanwhile is not taken from them.
        share = math.ceil(len(self._waiting) / len(self._workers))
        most = max(1, min(most, share))
        for job in self._waiting:
            if job.future.cancelled():
                continue
            if job.model == model and len(batch) < most:
                batch.append(job)
            else:
                others.append(job)
        self._waiting = others
        self._running += len(batch)
        if self._figures is not None:
            self._figures.batch_size.observe(len(batch))
        return sorted(batch, key=lambda job: job.size)

    def _drop_forgotten(self):
        """Take out jobs for which nobody waits."""
        now = time.monotonic()
        while self._waiting:
            job = self._waiting[0]
            if not job.future.cancelled() and job.deadline > now:
                return
            job.settle(504, "The request waited too long.")
            self._waiting.popleft()

    def give_back(self, jobs):
        """Put jobs that were taken but not begun back in front."""
        with self._changed:
            self._running -= len(jobs)
            self._waiting.extendleft(reversed(jobs))
            self._changed.notify_all()

    def done(self, seconds):
        """Note that a job is answered."""
        with self._changed:
            self._running -= 1
            self._mean_s += 0.1 * (seconds - self._mean_s)

    def process(self):
        """A new worker process and this end of its pipe."""
        # Nothing is inherited: a fork would copy threads' locks as they are.
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(
            target=work,
            args=(there, self._models, self._settings.max_audio_seconds),
            daemon=True,
            name="keras-selfattn worker",
        )
        process.start()
        there.close()
        return process, here

    def restarted(self):
        """Note that a worker was replaced."""
        if self._figures is not None:
            self._figures.restarts.inc()

    @property
    def time_limit_s(self):
        """Seconds that one job may compute."""
        return self._settings.time_limit_s


class _Worker:
    """A process, and the thread here that gives it work."""

    def __init__(self, pool, index):
        self._pool = pool
        self._process = self._pipe = None
        self.thread = threading.Thread(
            target=self._run, name=f"worker {index}", daemon=True
        )

    @property
    def process_id(self):
        return self._process.pid

    def begin(self):
        self._process, self._pipe = self._pool.process()

    def is_alive(self):
        return self._process is not None and self._process.is_alive()

    def wait_until_ready(self):
        try:
            if not self._pipe.poll(START_SECONDS):
                raise RuntimeError("a worker did not start in time.")
            _, status, said = self._pipe.recv()
        except EOFError:
            raise RuntimeError("a worker ended while it started.") from None
        if status != 200:
            raise RuntimeError(f"a worker could not start: {said}")

    def end(self):
        if self.thread.is_alive():
            self.thread.join(self._pool.time_limit_s + CLOSE_SECONDS)
        if self._process is None:
            return
        self._pipe.close()
        self._process.join(CLOSE_SECONDS)
        self._kill()

    def _kill(self):
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _run(self):
        while (batch := self._pool.next_batch()) is not None:
            try:
                self._do(batch)
            except Exception as error:  # the service goes on
                print(f"worker: {error!r}", file=sys.stderr)

    def _do(self, batch):
        """Have the process answer a batch; replace it where it fails."""
        left = deque(batch)
        try:
            self._pipe.send([(j.number, j.model, j.asked) for j in batch])
            while left:
                started = time.monotonic()
                if not self._pipe.poll(self._pool.time_limit_s):
                    raise TimeoutError
                number, status, answer = self._pipe.recv()
                job = left.popleft()
                assert number == job.number, "answers come in order"
                self._pool.done(time.monotonic() - started)
                job.settle(status, answer)
        except (EOFError, OSError) as error:
            late = isinstance(error, TimeoutError)
            self._fail(left, late)

    def _fail(self, left, late):
        """The first of the jobs left has hung or crashed the process."""
        if left:
            job = left.popleft()
            self._pool.done(0.0)
            if late:
                job.settle(504, "The request took too long to answer.")
            else:
                job.settle(500, "The worker that computed this has crashed.")
        self._pool.give_back(list(left))
        self._kill()
        self._pipe.close()
        self._pool.restarted()
        self.begin()
        self.wait_until_ready()


def too_busy(retry_after_s):
    """The refusal of a request for which there is no room."""
    return ServiceError(
        429,
        f"The service is busy; try again in {retry_after_s} s.",
        "too_many_requests",
        headers={"Retry-After": str(retry_after_s)},
    )
