from types import SimpleNamespace

from keras_selfattn.serve.figures import Figures


def test_prometheus_reads_them():
    figures = Figures()
    figures.requests.labels("/v1/classify", "200").inc()
    figures.batch_size.observe(3)
    pool = SimpleNamespace(waiting=4, alive=2)
    lines = figures.text(pool).decode().splitlines()
    counted = 'keras_selfattn_requests_total{path="/v1/classify",status="200"}'
    assert f"{counted} 1.0" in lines
    assert "keras_selfattn_queue_length 4.0" in lines
    assert "keras_selfattn_workers 2.0" in lines
    assert 'keras_selfattn_batch_size_bucket{le="4.0"} 1.0' in lines
    assert any(line.startswith("process_resident_memory") for line in lines)


def test_two_services_do_not_share_them():
    one, other = Figures(), Figures()
    one.restarts.inc()
    pool = SimpleNamespace(waiting=0, alive=0)
    assert b"worker_restarts_total 1.0" in one.text(pool)
    assert b"worker_restarts_total 0.0" in other.text(pool)
