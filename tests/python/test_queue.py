"""The queue as one process uses it: order, delay, acknowledgement, attempts, dead letters, dedupe."""

import pickle
import time
from datetime import timedelta

import pytest

import sparkeeper
from sparkeeper import exceptions
from waiting import wait_for


def drain(queue):
    """Every payload that can be got now, each acknowledged."""
    found = []
    while (item := queue.try_get()) is not None:
        with item:
            found.append(item.data)
    return found


def fail(queue, error, **how):
    """Get an item and fail at it."""
    with pytest.raises(type(error)), queue.get(timeout=10, **how) as item:
        raise error
    return item


def test_first_put_is_first_got_and_gone_when_the_with_ends(zk):
    queue = zk.queue("inbox")
    ids = [queue.put(b"%d" % number) for number in range(5)]
    assert len(set(ids)) == 5
    with queue.get(timeout=10) as item:
        assert (item.data, item.attempt, item.priority, item.id, item.error) == (b"0", 1, 0, ids[0], None)
        assert item.state == "HELD"
        assert 0 < item.valid_for() <= 10
        item.check()
        assert len(queue) == 5
    assert item.state == "SETTLED"
    assert len(queue) == 4
    assert drain(queue) == [b"1", b"2", b"3", b"4"]
    assert len(queue) == 0
    assert bool(queue)


def test_lower_priorities_go_first_and_equal_ones_in_order(zk):
    queue = zk.queue("inbox")
    for priority in (5, -999, 0, 5, 999, 0, -1):
        queue.put(b"%d" % priority, priority=priority)
    assert drain(queue) == [b"-999", b"-1", b"0", b"0", b"5", b"5", b"999"]
    for priority in (-1000, 1000):
        with pytest.raises(exceptions.ConfigError, match="-999 to 999"):
            queue.put(b"", priority=priority)


def test_a_more_urgent_item_of_another_process_is_next(zk, coordinator):
    queue = zk.queue("inbox")
    queue.put_many([b"later"] * 3)
    with queue.get(timeout=10):
        pass
    coordinator().queue("inbox").put(b"now", priority=-5)
    zk.sync()
    with queue.get(timeout=10) as item:
        assert item.data == b"now"


def test_a_delayed_item_is_not_delivered_before_its_time(zk):
    queue = zk.queue("inbox")
    begun = time.monotonic()
    queue.put(b"late", delay=1.5)
    queue.put(b"early", delay=timedelta(milliseconds=700))
    queue.put(b"now")
    got = []
    while len(got) < 3:
        with queue.get(timeout=10) as item:
            got.append((item.data, time.monotonic() - begun))
    assert [data for data, _ in got] == [b"now", b"early", b"late"]
    assert got[1][1] >= 0.7
    assert got[2][1] >= 1.5
    assert got[0][1] < 0.7
    queue.put(b"far", delay=3600)
    assert queue.try_get() is None
    with pytest.raises(exceptions.AcquireTimeout, match="not due yet"):
        queue.get(timeout=0)


def test_a_get_that_finds_nothing_ends_in_time(zk):
    queue = zk.queue("inbox")
    assert queue.try_get() is None
    begun = time.monotonic()
    with pytest.raises(exceptions.AcquireTimeout, match=r"'inbox'.*empty"):
        queue.get(timeout=1)
    assert 0.9 < time.monotonic() - begun < 1.2
    with pytest.raises(exceptions.AcquireTimeout):
        queue.get(timeout=0)
    with pytest.raises(exceptions.ConfigError, match="lease"):
        queue.get(timeout=1, lease=0)


def test_an_exception_gives_it_back_and_the_last_attempt_makes_it_a_dead_letter(zk):
    queue = zk.queue("inbox", max_attempts=3, backoff=0.2)
    put = queue.put(b"poison", priority=7)
    begun = time.monotonic()
    first = fail(queue, ValueError("first"))
    assert (first.attempt, first.state) == (1, "SETTLED")
    second = fail(queue, ValueError("second"))
    assert (second.attempt, second.error, second.id) == (2, "ValueError: first", put)
    assert time.monotonic() - begun >= 0.1, "it came back without a back-off"
    fail(queue, KeyError("third"))
    assert time.monotonic() - begun >= 0.3, "the back-off did not grow"
    (dead,) = queue.dead_letters()
    assert (dead.id, dead.data, dead.attempts, dead.priority) == (put, b"poison", 3, 7)
    assert dead.error == "KeyError: 'third'"
    assert abs(dead.since / 1000 - time.time()) < 60
    assert queue.depth() == zk.queue("inbox").depth()
    assert (len(queue), queue.depth().dead) == (0, 1)


def test_dead_letters_are_put_again_or_removed(zk):
    queue = zk.queue("inbox", max_attempts=1)
    ids = [queue.put(b"%d" % number) for number in range(4)]
    for number in range(4):
        fail(queue, RuntimeError(f"no {number}"))
    assert [dead.id for dead in queue.dead_letters()] == ids
    assert [dead.id for dead in queue.dead_letters(limit=2)] == ids[:2]
    assert queue.retry_dead(ids[1]) == 1
    with queue.get(timeout=10) as item:
        assert (item.id, item.data, item.attempt, item.error) == (ids[1], b"1", 1, None)
    assert queue.purge_dead(ids[0]) == 1
    assert queue.retry_dead("no such id") == 0
    assert queue.retry_dead() == 2
    assert drain(queue) == [b"2", b"3"]
    assert queue.dead_letters() == []


def test_an_item_is_settled_once(zk):
    queue = zk.queue("inbox")
    queue.put_many([b"a", b"b", b"c"])
    with queue.get(timeout=10) as item:
        item.ack()
        for again in (item.ack, item.give_back, lambda: item.extend(5)):
            with pytest.raises(exceptions.NotOwner, match="before"):
                again()
    item = queue.get(timeout=10)
    item.give_back("not now", delay=0)
    with queue.get(timeout=10) as again:
        assert (again.data, again.attempt, again.error) == (b"b", 2, "not now"), "delay=0 keeps its place"
    item = queue.get(timeout=10)
    begun = time.monotonic()
    item.give_back(delay=0.6)
    with queue.get(timeout=10) as item:
        assert (item.data, item.attempt, item.error) == (b"c", 2, None)
    assert time.monotonic() - begun >= 0.6


def test_an_interrupted_with_puts_it_back_and_the_attempt_does_not_count(zk):
    queue = zk.queue("inbox", max_attempts=2)
    queue.put_many([b"a", b"b"])
    for _ in range(5):
        with pytest.raises(KeyboardInterrupt), queue.get(timeout=10) as item:
            raise KeyboardInterrupt
        assert (item.data, item.attempt) == (b"a", 1)
    assert drain(queue) == [b"a", b"b"]


def test_one_dedupe_id_is_one_item(zk, coordinator):
    queue, other = zk.queue("inbox", dedupe_window=1), coordinator().queue("inbox", dedupe_window=1)
    first = queue.put(b"one", dedupe="order-7")
    assert other.put(b"two", dedupe="order-7") == first
    assert len(queue) == 1
    with queue.get(timeout=10) as item:
        assert item.data == b"one"
        assert other.put(b"at work", dedupe="order-7") == first
        # The server counts from the acknowledgement, which is after this.
        done = time.monotonic()
    assert other.put(b"just done", dedupe="order-7") == first
    assert time.monotonic() - done < 1, "too slow to have tried within the window"
    assert len(queue) == 0
    again = wait_for(
        lambda: (made := other.put(b"anew", dedupe="order-7")) != first and made, 10, "the window to be over"
    )
    # Its clock has whole milliseconds.
    assert time.monotonic() - done >= 0.999
    assert len(queue) == 1
    assert other.put(b"another", dedupe="order-8") not in {first, again}


def test_a_repeat_of_a_dead_letter_is_a_repeat(zk):
    queue = zk.queue("inbox", max_attempts=1)
    put = queue.put(b"x", dedupe="k")
    fail(queue, ValueError("x"))
    assert queue.put(b"x", dedupe="k") == put
    assert (len(queue), queue.depth().dead) == (0, 1), "it queues nothing"
    assert queue.retry_dead() == 1
    assert queue.put(b"x", dedupe="k") == put
    assert drain(queue) == [b"x"]


def test_many_at_once_keep_their_order(zk):
    queue = zk.queue("inbox")
    payloads = [b"%d" % number for number in range(1500)]
    ids = queue.put_many(payloads)
    assert len(set(ids)) == 1500
    assert len(queue) == 1500
    assert drain(queue) == payloads
    assert queue.put_many([]) == []


def test_payloads_come_out_as_they_went_in(zk):
    queue = zk.queue("inbox")
    payloads = [b"", b"\n", b"{}\n{}", bytes(range(256)), b"x" * 1_000_000]
    for payload in payloads:
        queue.put(payload)
    assert drain(queue) == payloads
    session = zk.session_id
    with pytest.raises(exceptions.PayloadTooLarge, match="nothing was sent"):
        queue.put(b"x" * 2**21)
    assert (zk.session_id, zk.state) == (session, "CONNECTED")
    big = [b"y" * 400_000] * 4
    queue.put_many(big)
    assert drain(queue) == big


def test_who_works_on_what(zk, coordinator):
    queue = coordinator(owner="app-42").queue("inbox")
    queue.put_many([b"a", b"b"])
    item = queue.get(timeout=10, lease=30)
    (worker,) = zk.queue("inbox").workers()
    assert (worker.item, worker.owner, worker.token) == (item.id, "app-42", item.token)
    assert 20 < worker.until / 1000 - time.time() < 40
    depth = zk.queue("inbox").depth()
    assert (depth.queued, depth.at_work, depth.dead) == (2, 1, 0)
    item.extend(300)
    assert zk.queue("inbox").workers()[0].until / 1000 - time.time() > 200
    assert "1 items at work here" in repr(queue)
    assert item.id in repr(item)
    item.ack()
    assert queue.workers() == []


def test_a_write_that_an_item_guards_lands_only_while_it_is_ours(zk):
    zk.create("state", b"old")
    queue = zk.queue("inbox")
    queue.put(b"a")
    with queue.get(timeout=10) as item:
        zk.set("state", b"new", guard=item)
    with pytest.raises(exceptions.ClaimLost):
        zk.set("state", b"late", guard=item)
    assert zk.get("state")[0] == b"new"


def test_a_handle_pickles_and_an_item_does_not(zk):
    queue = pickle.loads(pickle.dumps(zk.queue("inbox", max_attempts=2, backoff=0.5)))
    assert "max_attempts=2" in repr(queue)
    queue.put(b"a")
    with zk.queue("inbox").get(timeout=10) as item:
        assert item.data == b"a"
        with pytest.raises(TypeError, match="does not pickle"):
            pickle.dumps(item)


def test_what_makes_no_sense_is_refused(zk):
    with pytest.raises(exceptions.ConfigError, match="max_attempts"):
        zk.queue("inbox", max_attempts=0)
    with pytest.raises(exceptions.InvalidPath, match="path of its own"):
        sparkeeper.connect(zk.connect_string, timeout=10).queue("/").put(b"")
    with pytest.raises(exceptions.ConfigError, match="delay"):
        zk.queue("inbox").put(b"", delay=-1)


def test_a_put_that_the_acl_refuses_costs_nothing_else(coordinator):
    other, owner = coordinator(), coordinator(auth=("digest", "owner:secret"), acl="creator")
    with other.lock("mine").acquire() as held:
        owner.queue("q").put(b"x")
        session, queue = other.session_id, other.queue("q")
        for refused in (
            lambda: queue.put(b"x"),
            lambda: queue.put_many([b"x", b"y"]),
            lambda: queue.put(b"x", delay=1),
            lambda: queue.put(b"x", dedupe="one"),
        ):
            with pytest.raises(exceptions.NotAuthorized):
                refused()
        # Requests keep their order: a deletion that was sent behind would have been refused by now.
        other.sync("mine")
        other.lock("another").acquire().release()
        assert (held.state, other.session_id, other.state) == ("HELD", session, "CONNECTED")
    assert owner.queue("q").get(timeout=5).data == b"x"


def test_an_empty_dedupe_id_and_an_empty_lease_are_refused(zk):
    queue = zk.queue("q")
    with pytest.raises(exceptions.ConfigError, match="dedupe"):
        queue.put(b"x", dedupe="")
    queue.put(b"x")
    with queue.get(timeout=5) as item:
        with pytest.raises(exceptions.ConfigError, match="lease=0"):
            item.extend(0)
        assert item.state == "HELD"
        item.check()
