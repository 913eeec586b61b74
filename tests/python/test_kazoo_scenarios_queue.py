"""What kazoo's own tests ask of a queue and a locking queue, asked of ours through kazoo's shape."""

import pytest

from kazoo_shaped_data import LockingQueue, Queue
from waiting import wait_for


@pytest.mark.parametrize("kind", [Queue, LockingQueue])
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (({},), TypeError),
        ((b"one", b"100"), TypeError),
        ((b"one", 10.5), TypeError),
        ((b"one", -1000), ValueError),
        ((b"one", 100_000), ValueError),
    ],
)
def test_what_cannot_be_put_is_refused(zk, kind, arguments, error):
    queue = kind(zk, "q")
    with pytest.raises(error):
        queue.put(*arguments)
    assert len(queue) == 0


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (([{}],), TypeError),
        (([b"one"], b"100"), TypeError),
        (([b"one"], 10.5), TypeError),
        (([b"one"], -1000), ValueError),
        (([b"one"], 100_000), ValueError),
    ],
)
def test_what_cannot_be_put_together_is_refused(zk, arguments, error):
    queue = LockingQueue(zk, "q")
    with pytest.raises(error):
        queue.put_all(*arguments)
    assert len(queue) == 0


def test_an_empty_queue_gives_nothing(zk):
    queue, locking = Queue(zk, "q"), LockingQueue(zk, "other")
    assert (len(queue), len(locking)) == (0, 0)
    assert queue.get() is None
    assert locking.get(0) is None
    assert (len(queue), len(locking)) == (0, 0)


def test_items_come_in_the_order_in_which_they_were_put(zk):
    queue = Queue(zk, "q")
    for value in (b"one", b"two", b"three"):
        queue.put(value)
    assert len(queue) == 3
    assert [queue.get() for _ in range(4)] == [b"one", b"two", b"three", None]
    assert len(queue) == 0


def test_lower_priorities_go_first(zk):
    queue = Queue(zk, "q")
    queue.put(b"four", priority=101)
    queue.put(b"one", priority=0)
    queue.put(b"two", priority=0)
    queue.put(b"three", priority=10)
    assert [queue.get() for _ in range(4)] == [b"one", b"two", b"three", b"four"]


def test_what_was_got_stays_until_it_is_consumed(zk):
    queue = LockingQueue(zk, "q")
    queue.put(b"one")
    queue.put_all([b"two", b"three"])
    assert len(queue) == 3
    assert not queue.consume()
    assert not queue.holds_lock()
    for value in (b"one", b"two", b"three"):
        assert queue.get(5) == value
        assert queue.holds_lock()
        # Without consuming it is the same again.
        assert queue.get(5) == value
        assert queue.consume()
        assert not queue.holds_lock()
    assert not queue.consume()
    assert len(queue) == 0


def test_what_one_has_another_does_not_get(zk, coordinator):
    queue, other = LockingQueue(zk, "q"), LockingQueue(coordinator(), "q")
    queue.put_all([b"one", b"two"])
    assert queue.get(5) == b"one"
    assert other.get(5) == b"two"
    assert other.get(0) == b"two"
    assert queue.consume()
    assert other.consume()
    assert len(queue) == 0


def test_what_is_released_comes_again_first(zk, coordinator):
    queue, other = LockingQueue(zk, "q"), LockingQueue(coordinator(), "q")
    queue.put_all([b"one", b"two"])
    assert not queue.release()
    assert queue.get(5) == b"one"
    assert queue.release()
    assert not queue.holds_lock()
    assert other.get(5) == b"one"
    assert queue.get(5) == b"two"


def test_the_more_urgent_overtakes_what_nobody_has_yet(zk):
    queue = LockingQueue(zk, "q")
    queue.put_all([b"four", b"three"], priority=100)
    queue.put_all([b"two", b"one"], priority=50)
    got = []
    while queue.get(0.2) is not None:
        got.append(queue.get(5))
        assert queue.consume()
    assert got == [b"two", b"one", b"four", b"three"]


def test_what_a_session_had_that_expired_comes_to_another(proxy, coordinator):
    frail = coordinator(proxy.connect_string, session_timeout=1)
    queue, other = LockingQueue(frail, "q"), LockingQueue(coordinator(), "q")
    queue.put(b"one")
    assert queue.get(5) == b"one"
    proxy.cut()
    assert other.get(20) == b"one"
    proxy.heal()
    wait_for(lambda: not queue.holds_lock(), 60, "the first to know")
    # It is the other's now: the first cannot take it away.
    assert not queue.consume()
    assert len(other) == 1
    assert other.consume()
    assert len(other) == 0
