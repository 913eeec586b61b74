"""The counter: what is added counts once, whatever is lost; blocks that nobody else has; other people's data."""

import asyncio
import pickle
import random
import threading
import time

import pytest

from proxy import Proxy
from sparkeeper import exceptions
from waiting import wait_for
from wire import Op

_CLIENTS, _ADDS = 8, 1_000


@pytest.fixture
def proxies(server):
    """A faulty link for each client."""
    made = [Proxy(server.port) for _ in range(_CLIENTS)]
    yield made
    for proxy in made:
        proxy.close()


def test_a_thousand_adds_by_eight_clients_whose_replies_get_lost_are_a_thousand(proxies, coordinator):
    seed = random.randrange(2**32)
    answers, failures, lost = [], [], []

    def count(number, proxy):
        chance = random.Random(f"{seed} {number}")
        rows = coordinator(proxy.connect_string, session_timeout=10).counter("rows")
        try:
            for _ in range(_ADDS // _CLIENTS):
                dropped = proxy.drop_reply(Op.MULTI) if chance.random() < 0.1 else None
                answers.append(rows.add(1))
                if dropped is not None:
                    lost.append(dropped.is_set())
        except Exception as error:  # noqa: BLE001 - shown below
            failures.append(error)

    threads = [threading.Thread(target=count, args=pair) for pair in enumerate(proxies)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert not failures, f"seed {seed}"
    assert len(lost) > 40, f"seed {seed}: too few faults"
    assert all(lost)
    # Each was told the value right after its own, so all values were told, each once.
    assert sorted(answers) == list(range(1, _ADDS + 1)), f"seed {seed}"
    assert coordinator().counter("rows").value == _ADDS


def test_an_expiry_in_the_middle_counts_once(proxy, coordinator):
    rows = coordinator(proxy.connect_string, session_timeout=1.5).counter("rows")
    rows.add(1)
    dropped = proxy.drop_reply(Op.MULTI, stay_down=True)
    answers = []
    adding = threading.Thread(target=lambda: answers.append(rows.add(10)))
    adding.start()
    assert dropped.wait(60)
    others = coordinator().counter("rows")
    wait_for(lambda: others.value == 11, 60, "the add whose reply was lost")
    assert others.add(100) == 111
    time_of_cut = time.monotonic()
    wait_for(lambda: time.monotonic() - time_of_cut > 3, 60, "twice the session timeout")
    assert adding.is_alive()
    proxy.heal()
    adding.join(60)
    assert answers == [11]
    assert others.value == 111


def test_what_it_says_and_what_it_refuses(zk, coordinator):
    rows = zk.counter("deep/rows", default=5)
    assert "not read here yet" in repr(rows)
    assert (rows.path, rows.value) == ("deep/rows", 5)
    assert (rows.add(5), rows.add(), rows.add(-20)) == (10, 11, -9)
    assert "last seen at -9" in repr(rows)
    assert rows.compare_and_set(-9, 2**63 - 1)
    assert not rows.compare_and_set(-9, 0)
    with pytest.raises(exceptions.ConfigError, match="64 bits"):
        rows.add(1)
    with pytest.raises(exceptions.ConfigError, match="64 bits"):
        rows.reserve(1)
    assert rows.value == 2**63 - 1
    rows.set(3)
    other = coordinator().counter("deep/rows", default=99)
    assert other.value == 3
    zk.create("theirs", b"12")
    with pytest.raises(exceptions.ConfigError, match="kazoo"):
        zk.counter("theirs").add(1)
    assert zk.get("theirs")[0] == b"12"


def test_blocks_are_disjoint_and_without_a_gap(coordinator):
    blocks = []

    def reserve():
        ids = coordinator().counter("ids")
        blocks.extend([ids.reserve(size) for size in range(1, 21)])

    threads = [threading.Thread(target=reserve) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert all(isinstance(block, range) for block in blocks)
    assert sorted(number for block in blocks for number in block) == list(range(4 * 210))
    with pytest.raises(exceptions.ConfigError, match="1 number or more"):
        coordinator().counter("ids").reserve(0)


def test_a_guard_that_is_gone_adds_nothing(zk, coordinator):
    held = zk.semaphore("s").acquire()
    rows = zk.counter("rows")
    assert rows.add(5, guard=held) == 5
    (lease,) = zk.children("s/leases")
    coordinator().delete(f"s/leases/{lease}")
    for write in (rows.add, rows.reserve, rows.set):
        with pytest.raises(exceptions.LockLost):
            write(1, guard=held)
    assert rows.value == 5


def test_a_timed_add_ends_in_time_and_says_that_it_is_in_doubt(proxy, coordinator):
    rows = coordinator(proxy.connect_string).counter("rows")
    rows.add(1)
    proxy.cut()
    begun = time.monotonic()
    with pytest.raises(exceptions.ConnectionLost, match="once or not at all"):
        rows.add(1, timeout=0.5)
    assert 0.4 < time.monotonic() - begun < 0.8
    proxy.heal()
    assert rows.add(10) in {11, 12}


def test_under_asyncio_and_in_another_process_as_it_pickles(zk):
    rows = zk.counter("rows", default=7)

    async def work():
        assert await rows.value_async() == 7
        assert sorted(await asyncio.gather(*(rows.add_async(1) for _ in range(20)))) == list(range(8, 28))
        assert await rows.reserve_async(3) == range(27, 30)
        assert await rows.compare_and_set_async(30, 0)
        await rows.set_async(4)

    asyncio.run(work())
    again = pickle.loads(pickle.dumps(zk.counter("other", default=7)))
    assert again.add(1) == 8


def test_the_clients_share_what_one_can_do(coordinator):
    begun = time.monotonic()

    def count():
        rows = coordinator().counter("rows")
        for _ in range(50):
            rows.add(1)

    threads = [threading.Thread(target=count) for _ in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert coordinator().counter("rows").value == _CLIENTS * 50
    assert time.monotonic() - begun < 60
