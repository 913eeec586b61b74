"""Our multi-lock and Curator's mutexes, out of Spark's own jars, on the same paths: all or none, in one line."""

import threading

import pytest

from curator import Curator
from waiting import wait_for


@pytest.fixture
def curator(spark, connect_string):
    with Curator(spark, connect_string) as running:
        yield running


def test_a_mutex_on_one_path_keeps_us_out_of_all(curator, coordinator, namespace):
    zk, other = coordinator(), coordinator()
    mutex = curator.contender(f"/{namespace}/b").start()
    assert mutex.wait()
    both = zk.multi_lock(["a", "b"])
    assert both.try_acquire() is None
    wait_for(lambda: [len(other.lock(path).contenders()) for path in "ab"] == [0, 1], 60, "us to leave nothing")
    mutex.release()
    with both.acquire(10) as held:
        assert held.paths == ["a", "b"]


def test_we_keep_mutexes_out_of_every_path_and_stand_in_one_line_with_them(curator, coordinator, namespace):
    zk, other = coordinator(), coordinator()
    first = curator.contender(f"/{namespace}/b").start()
    assert first.wait()
    granted, let_go = threading.Event(), threading.Event()

    def hold():
        with zk.multi_lock(["a", "b"]).acquire(60):
            granted.set()
            let_go.wait(60)

    ours = threading.Thread(target=hold, daemon=True)
    ours.start()
    wait_for(lambda: [len(other.lock(path).contenders()) for path in "ab"] == [1, 2], 60, "us in both lines")
    after = [curator.contender(f"/{namespace}/{path}").start() for path in "ab"]
    assert not granted.is_set()
    assert [each.waiting for each in after] == [True, True]
    first.release()
    assert granted.wait(60)
    assert [each.waiting for each in after] == [True, True]
    assert not curator.mutex(f"/{namespace}/a").acquire(0.2)
    let_go.set()
    ours.join(60)
    for each in after:
        assert each.wait(60)
        each.release()
