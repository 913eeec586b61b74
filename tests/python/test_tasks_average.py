"""Under "average" no worker does more than its share, as workers come and go; the certificate says how even it was."""

import collections
import contextlib
import threading

import pytest

import sparkeeper
from sparkeeper import exceptions
from waiting import wait_for


class Crowd(contextlib.AbstractContextManager["Crowd"]):
    """Workers in threads, each with a session of its own."""

    def __init__(self, coordinator):
        self._coordinator = coordinator
        self._workers = {}

    def join(self, name, handler, capacity=1.0):
        zk = self._coordinator()
        thread = threading.Thread(target=_work, args=(zk.tasks("t"), handler, name, capacity))
        thread.start()
        self._workers[name] = (zk, thread)

    def leave(self, name):
        zk, thread = self._workers.pop(name)
        zk.close()
        thread.join(30)
        assert not thread.is_alive()

    def __exit__(self, *_):
        for name in list(self._workers):
            self.leave(name)


def _work(tasks, handler, name, capacity):
    with contextlib.suppress(exceptions.Closed):
        tasks.work(handler, name=name, capacity=capacity)


@pytest.fixture
def crowd(coordinator):
    with Crowd(coordinator) as crowd:
        yield crowd


@pytest.fixture
def tasks(zk):
    return zk.tasks("t")


def present(tasks, *names):
    wait_for(lambda: {worker.name for worker in tasks.status().workers} == set(names), 30, f"{names} to be there")


def slow(payload):
    threading.Event().wait(0.01)
    return payload


def test_nobody_does_more_than_the_share(tasks, crowd):
    for name in ("fast", "slow", "slower"):
        crowd.join(name, (lambda payload: payload) if name == "fast" else slow)
    present(tasks, "fast", "slow", "slower")
    tasks.submit(range(100))
    results = tasks.results()
    did = collections.Counter(one.worker for one in results)
    assert (sum(did.values()), max(did.values())) == (100, 34)
    certificate = results.certificate
    assert sorted(certificate.loads) == sorted(did.values())
    assert (certificate.max_load, certificate.lower_bound, certificate.gap) == (34, 34, 0)


def test_shares_go_by_capacity(tasks, crowd):
    crowd.join("small", slow)
    crowd.join("large", slow, capacity=3)
    present(tasks, "small", "large")
    tasks.submit(range(80))
    results = tasks.results()
    assert collections.Counter(one.worker for one in results) == {"small": 20, "large": 60}
    assert results.certificate.gap == 0


def test_who_comes_late_catches_up(tasks, crowd):
    crowd.join("early", slow)
    present(tasks, "early")
    tasks.submit(range(120))
    results, found = tasks.results(), []
    for result in results:
        found.append(result.worker)
        if len(found) == 10:
            crowd.join("late", slow)
    did = collections.Counter(found)
    assert sum(did.values()) == 120
    # One that the early worker had begun, or took before it heard.
    assert abs(did["early"] - did["late"]) <= 2


def test_the_others_do_what_was_the_share_of_one_that_left(tasks, crowd):
    for name in ("a", "b", "gone"):
        crowd.join(name, slow)
    present(tasks, "a", "b", "gone")
    tasks.submit(range(90))
    found = []
    for result in tasks.results():
        found.append(result.worker)
        if len(found) == 15:
            crowd.leave("gone")
    did = collections.Counter(found)
    assert sum(did.values()) == 90
    assert abs(did["a"] - did["b"]) <= 1
    assert did["gone"] < 30


def test_more_tasks_are_shared_as_well(tasks, crowd):
    for name in ("a", "b"):
        crowd.join(name, slow)
    present(tasks, "a", "b")
    did = collections.Counter()
    for _ in range(3):
        tasks.submit(range(10))
        did.update(one.worker for one in tasks.results())
    assert did == {"a": 15, "b": 15}


def test_a_certificate_counts_those_who_did_nothing(zk, crowd):
    tasks = zk.tasks("t", strategy="priority")
    results = tasks.results()
    assert results.certificate is None
    tasks.submit(range(4))
    tasks.work(lambda payload: payload, name="all", idle=0)
    crowd.join("idle", slow)
    present(tasks, "idle")
    ids = [one.id for one in results]
    certificate = results.certificate
    assert (sorted(certificate.loads), certificate.gap) == ([0, 4], 1.0)
    sparkeeper.verify(certificate, dict.fromkeys(ids, "all"), ["all", "idle"], ids)
