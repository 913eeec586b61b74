"""One loop at a time fetches the results of tasks, and who comes next knows why not yet, or goes on."""

import gc

import pytest

from sparkeeper import exceptions


@pytest.fixture
def tasks(zk):
    return zk.tasks("t", strategy="priority")


def double(payload):
    return payload * 2


def test_results_that_nobody_asked_for_come_again(tasks):
    tasks.submit(range(5))
    tasks.work(double, idle=0)
    with tasks.results() as results:
        assert [next(results).value, next(results).value] == [0, 2]
    # The second was perhaps not made use of.
    assert [one.value for one in tasks.results()] == [2, 4, 6, 8]


def test_a_loop_that_is_left_lets_the_next_one_in(tasks):
    def first():
        for one in tasks.results():
            return one.value
        return None

    tasks.submit(range(1, 4))
    tasks.work(double, idle=0)
    gc.disable()
    try:
        assert first() == 2
        assert [one.value for one in tasks.results(timeout=0)] == [2, 4, 6]
    finally:
        gc.enable()


def test_one_driver_at_a_time_fetches(tasks, coordinator):
    tasks.submit([1])
    tasks.work(double, idle=0)
    earlier = tasks.results()
    assert next(earlier).value == 2
    with pytest.raises(exceptions.AcquireTimeout, match=r"this very process are not over; .*close them"):
        next(coordinator().tasks("t").results(timeout=0))
    earlier.close()
    with (
        coordinator().lock("t/driver"),
        pytest.raises(exceptions.AcquireTimeout, match=r"lock 't/driver': .*held by .*wait longer"),
    ):
        next(tasks.results(timeout=0))
    assert [one.value for one in coordinator().tasks("t").results(timeout=0)] == [2]
