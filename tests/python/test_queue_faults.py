"""What becomes of items when consumers, producers, links and sessions fail: nothing is lost, nothing is put twice."""

import collections
import random
import signal
import threading
import time

import pytest

from program import Program
from sparkeeper import exceptions
from waiting import wait_for
from wire import Op

_CONSUMER = """
zk = sparkeeper.connect(sys.argv[1], namespace=sys.argv[2], session_timeout=1.5, timeout=20)
item = zk.queue("inbox", max_attempts=3).get(timeout=30, lease=60)
say({"attempt": item.attempt, "id": item.id})
hear()
try:
    item.ack()
    say("acknowledged")
except Exception as error:
    say(type(error).__name__)
hear()
"""

_WORKER = """
import time
zk = sparkeeper.connect(sys.argv[1], namespace=sys.argv[2], session_timeout=1.5, timeout=20)
queue = zk.queue("inbox", max_attempts=1000)
while True:
    with queue.get(lease=30) as item:
        zk.create("log/" + item.data.decode() + "-", sequence=True, guard=item)
"""


def test_a_killed_consumer_s_item_is_delivered_again_and_ends_as_a_dead_letter(zk, connect_string, namespace):
    queue = zk.queue("inbox", max_attempts=3)
    put = queue.put(b"poison")
    for attempt in (1, 2, 3):
        with Program(_CONSUMER, connect_string, namespace) as consumer:
            assert consumer.answer() == {"attempt": attempt, "id": put}
            consumer.send(signal.SIGKILL)
            consumer.wait()
            wait_for(lambda: queue.workers() == [], 60, "its session to end")
    assert len(queue) == 1
    assert queue.try_get() is None
    (dead,) = queue.dead_letters()
    assert (dead.id, dead.data, dead.attempts) == (put, b"poison", 3)
    assert "attempt 3" in dead.error
    assert "consumer ended" in dead.error
    assert len(queue) == 0


def test_a_late_acknowledgement_of_a_stopped_consumer_is_refused(zk, connect_string, namespace):
    queue = zk.queue("inbox")
    queue.put(b"a")
    with Program(_CONSUMER, connect_string, namespace) as stopped:
        assert stopped.answer()["attempt"] == 1
        stopped.send(signal.SIGSTOP)
        item = queue.get(timeout=30)
        assert item.attempt == 2
        stopped.send(signal.SIGCONT)
        assert stopped.ask() == "ClaimLost"
        item.check()
        assert len(queue) == 1
        item.ack()
    assert len(queue) == 0


def test_a_lease_ends_though_the_session_lives(zk, coordinator):
    queue = zk.queue("inbox")
    queue.put(b"a")
    begun = time.monotonic()
    late = queue.get(timeout=10, lease=0.7)
    told = []
    late.on_lost(told.append)
    with coordinator().queue("inbox").get(timeout=10) as item:
        assert time.monotonic() - begun >= 0.7
        assert (item.data, item.attempt) == (b"a", 2)
        for refused in (late.ack, late.check, late.give_back, lambda: late.extend(5)):
            with pytest.raises(exceptions.ClaimLost, match="lease"):
                refused()
        assert len(queue) == 1
        item.check()
    wait_for(lambda: told, 60, "on_lost")
    assert isinstance(told[0], exceptions.ClaimLost)
    assert len(queue) == 0
    assert zk.state == "CONNECTED"


def test_an_extended_lease_holds(zk):
    queue = zk.queue("inbox")
    queue.put(b"a")
    told = []
    with queue.get(timeout=10, lease=1) as item:
        item.on_lost(told.append)
        item.extend(30)
        with pytest.raises(exceptions.AcquireTimeout):
            queue.get(timeout=1.5)
        item.check()
    assert not told
    assert len(queue) == 0
    metrics = zk.metrics()["inbox"]
    assert (metrics.acquired, metrics.held, metrics.lost) == (1, 0, 0)


def test_a_put_whose_reply_is_lost_lands_once_also_when_it_is_done_meanwhile(proxy, coordinator):
    far, near = coordinator(proxy.connect_string, session_timeout=20).queue("inbox"), coordinator().queue("inbox")
    # It keeps the queue's nodes from vanishing in between, which would make a put more than one request.
    far.put(b"later", delay=3600)
    for number in range(3):
        dropped = proxy.drop_reply(Op.MULTI, stay_down=number > 0)
        done = []
        thread = threading.Thread(target=lambda done=done: done.append(far.put(b"x")))
        thread.start()
        assert dropped.wait(60)
        if number:
            wait_for(lambda: proxy.open == 0, 60, "the link to be down")
            # Delivered and done before the producer knows that it was put.
            with near.get(timeout=10) as item:
                assert item.data == b"x"
        proxy.heal()
        thread.join(60)
        assert len(done) == 1
        if not number:
            with near.get(timeout=10) as item:
                assert item.id == done[0]
        assert near.try_get() is None, "it was put twice"


def test_a_claim_and_an_acknowledgement_whose_replies_are_lost(proxy, coordinator):
    far, near = coordinator(proxy.connect_string, session_timeout=20).queue("inbox"), coordinator().queue("inbox")
    near.put_many([b"a", b"b"])
    dropped = proxy.drop_reply(Op.MULTI)
    item = far.get(timeout=20)
    assert dropped.is_set()
    assert (item.data, item.attempt) == (b"a", 1)
    assert [worker.token for worker in near.workers()] == [item.token]
    dropped = proxy.drop_reply(Op.MULTI)
    item.ack()
    assert dropped.is_set()
    assert len(near) == 1
    item = far.get(timeout=20)
    dropped = proxy.drop_reply(Op.MULTI)
    item.give_back("no", delay=0.1)
    assert dropped.is_set()
    assert len(near) == 1
    with near.get(timeout=20) as item:
        assert (item.data, item.attempt) == (b"b", 2)
    assert len(near) == 0


def test_a_get_goes_on_through_a_cut_and_an_expiry(proxy, coordinator):
    far = coordinator(proxy.connect_string, session_timeout=1.5)
    got = []
    thread = threading.Thread(target=lambda: got.append(far.queue("inbox").get(timeout=60)))
    thread.start()
    proxy.cut()
    wait_for(lambda: far.state == "EXPIRED", 60, "the session to end while it waits")
    coordinator().queue("inbox").put(b"a")
    proxy.heal()
    thread.join(60)
    assert got[0].data == b"a"
    got[0].ack()


def test_an_item_whose_session_expired_is_lost_to_its_consumer(proxy, coordinator):
    far, near = coordinator(proxy.connect_string, session_timeout=1.5), coordinator().queue("inbox")
    near.put(b"a")
    item = far.queue("inbox").get(timeout=10)
    proxy.cut()
    with near.get(timeout=30) as again:
        assert item.state == "LOST"
        assert again.attempt == 2
        proxy.heal()
        wait_for(lambda: far.state == "CONNECTED", 60, "the next session")
        with pytest.raises(exceptions.ClaimLost):
            item.ack()
        again.check()
    assert len(near) == 0


def test_one_dedupe_id_from_many_at_once_is_one_item(coordinator):
    queues = [coordinator().queue("inbox") for _ in range(4)]
    ids = collections.defaultdict(set)

    def work(queue):
        for number in range(20):
            ids[number].add(queue.put(b"%d" % number, dedupe=f"job-{number}"))

    threads = [threading.Thread(target=work, args=(queue,)) for queue in queues]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [len(ids[number]) for number in range(20)] == [1] * 20
    assert len(queues[0]) == 20


def test_many_workers_killed_at_random_lose_nothing(zk, coordinator, connect_string, namespace):
    count, chance = 150, random.Random(23)
    zk.create("log")
    producers = [coordinator().queue("inbox") for _ in range(3)]

    def produce(queue, share):
        for number in share:
            queue.put(b"%d" % number)

    workers = [Program(_WORKER, connect_string, namespace) for _ in range(4)]
    threads = [threading.Thread(target=produce, args=(producers[n], range(n, count, 3))) for n in range(3)]
    for thread in threads:
        thread.start()
    kills = 0
    try:
        end = time.monotonic() + 90
        while len(producers[0]) or any(thread.is_alive() for thread in threads):
            assert time.monotonic() < end, f"{len(producers[0])} items are left"
            if kills < 6:
                threading.Event().wait(chance.uniform(0.3, 0.8))
                victim = chance.randrange(len(workers))
                workers[victim].send(signal.SIGKILL)
                workers[victim].__exit__()
                workers[victim] = Program(_WORKER, connect_string, namespace)
                kills += 1
            else:
                threading.Event().wait(0.1)
    finally:
        for worker in workers:
            worker.__exit__()
    done = collections.Counter(int(name.split("-")[0]) for name in zk.children("log"))
    assert set(done) == set(range(count)), "an item was lost"
    # A worker that was killed between its write and its acknowledgement did it twice: one item for each kill at most.
    assert sum(done.values()) - count <= kills
    assert producers[0].dead_letters() == []
