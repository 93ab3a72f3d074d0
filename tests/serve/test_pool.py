import os
import signal
import time

import pytest

from keras_selfattn.serve.figures import Figures
from keras_selfattn.serve.pool import Pool
from keras_selfattn.serve.served_models import open_models
from keras_selfattn.serve.service_error import ServiceError
from tests.command_line import TINY_TEXT, TINY_TRANSLATION
from tests.serve_client import settings, stopped, wait_until


@pytest.fixture
def make():
    pools = []

    def made(**changes):
        figures = Figures()
        models = open_models([TINY_TEXT, TINY_TRANSLATION])
        pools.append(Pool(models, settings(**changes), figures))
        pools[-1].start()
        return pools[-1], figures

    yield made
    for pool in pools:
        pool.close()


def submit(pool, count, model="tiny_text"):
    return [
        pool.submit(model, {"texts": ["a film"] * (count - i)}, count - i)
        for i in range(count)
    ]


def sizes(figures):
    """How often a batch was of a size: of 1, of at most 2, at most 4, ..."""
    (metric,) = [
        m
        for m in figures.registry.collect()
        if m.name == "keras_selfattn_batch_size"
    ]
    return {
        float(s.labels["le"]): s.value
        for s in metric.samples
        if s.name.endswith("_bucket")
    }


def test_jobs_of_a_model_are_gathered_up_to_the_batch_size(make):
    pool, figures = make(batch_size=4, queue_size=20)
    with stopped(pool.process_ids):
        first = submit(pool, 1)
        wait_until(lambda: pool.waiting == 0)
        futures = submit(pool, 8) + submit(pool, 1, "tiny_translation")
    found = [future.result(20) for future in first + futures]
    assert [status for status, _ in found] == [200] * 10
    counts = [len(answer["classifications"]) for _, answer in found[1:9]]
    assert counts == [8, 7, 6, 5, 4, 3, 2, 1]  # each has its own answer
    # The first alone, four, four, and the other model's alone.
    assert (sizes(figures)[1], sizes(figures)[4]) == (2, 4)


def test_a_job_waits_for_others_no_longer_than_it_may(make):
    pool, figures = make(batch_size=8, batch_wait_ms=1500)
    started = time.monotonic()
    early = submit(pool, 1)
    time.sleep(0.1)
    late = submit(pool, 1)
    assert [f.result(20)[0] for f in early + late] == [200, 200]
    assert 1.4 < time.monotonic() - started < 15
    assert sizes(figures)[1] == 0 and sizes(figures)[2] == 1


def test_a_full_queue_refuses_and_says_for_how_long(make):
    pool, _ = make(queue_size=2, batch_size=1)
    with stopped(pool.process_ids):
        running = submit(pool, 1)
        wait_until(lambda: pool.waiting == 0)
        waiting = submit(pool, 2)
        with pytest.raises(ServiceError) as caught:
            submit(pool, 1)
        assert caught.value.status == 429
        assert int(caught.value.headers["Retry-After"]) >= 1
    assert [f.result(20)[0] for f in running + waiting] == [200] * 3


def test_a_job_that_hangs_is_ended_and_the_rest_are_answered(make):
    pool, figures = make(time_limit_s=0.5, queue_size=9)
    (before,) = pool.process_ids
    with stopped(pool.process_ids):
        hung = submit(pool, 1)[0]
        assert hung.result(20)[0] == 504
    # The next ones may wait too long for the process that takes its place.
    wait_until(lambda: submit(pool, 1)[0].result(20)[0] == 200)
    assert pool.process_ids != [before]
    assert figures.restarts._value.get() == 1


def test_a_crash_costs_one_job(make):
    pool, _ = make(batch_size=4)
    process_ids = pool.process_ids
    with stopped(process_ids):
        first = submit(pool, 1)[0]
        wait_until(lambda: pool.waiting == 0)
        rest = submit(pool, 3)
        os.kill(process_ids[0], signal.SIGKILL)
    assert first.result(20)[0] == 500
    assert [future.result(20)[0] for future in rest] == [200] * 3


def test_who_no_longer_waits_costs_nothing(make):
    pool, figures = make()
    with stopped(pool.process_ids):
        first = submit(pool, 1)[0]
        wait_until(lambda: pool.waiting == 0)
        forgotten = submit(pool, 3)
        for future in forgotten[::2]:  # the first of the queue, and another
            assert future.cancel()
    assert first.result(20)[0] == forgotten[1].result(20)[0] == 200
    assert (sizes(figures)[1], sizes(figures)[64]) == (2, 2)


def test_closing_answers_what_was_accepted(make):
    pool, _ = make()
    futures = submit(pool, 5)
    pool.close()
    assert [future.result(0)[0] for future in futures] == [200] * 5
    assert pool.alive == 0
    with pytest.raises(ServiceError, match="shutting down"):
        submit(pool, 1)


def test_a_worker_that_cannot_open_its_models_is_told(tmp_path):
    from dataclasses import replace

    (model,) = open_models([TINY_TEXT])
    gone = replace(model, path=str(tmp_path / "gone.tflite"))
    with pytest.raises(RuntimeError, match="gone.tflite"):
        Pool([gone], settings()).start()
