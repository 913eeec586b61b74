"""The parents of recipes are containers: they vanish once unused, and who comes just then makes them again."""

import contextlib
import functools
import random
import threading
import time

import pytest

from sparkeeper import exceptions
from sparkeeper.local import LocalServer
from sparkeeper.local.settings import ServerSettings
from waiting import wait_for

# Seconds between two looks of the reaper: about as long as a cycle of a recipe takes, so that they meet often.
_LOOK = 0.01
_CYCLES = 150
_STRATEGIES = ("fair", "random", "priority", "vote")


@pytest.fixture(scope="module")
def reaping():
    """A server whose reaper looks all the time."""
    with LocalServer(settings=ServerSettings(container_check=_LOOK)) as running:
        yield running


def _hold(made):
    """Hold what a recipe hands out, and give it back."""

    def cycle(zk, there):
        with made(zk):
            there()

    return cycle


def _queue(zk, there):
    queue = zk.queue("p")
    queue.put(b"work")
    there()
    with contextlib.suppress(_Emptied), _got(queue) as item:
        assert item.data == b"work"


class _Emptied(Exception):
    """The other took it."""


@contextlib.contextmanager
def _got(queue):
    item = queue.try_get()
    if item is None:
        raise _Emptied
    with item:
        yield item


def _barrier(zk, there):
    barrier = zk.barrier("p/gate")
    barrier.close()
    there()
    barrier.open()
    barrier.wait(timeout=30)


def _double_barrier(zk, there):
    # Each party of its own: two of them would wait for one another, and never leave the parent empty.
    barrier = zk.double_barrier(f"p/{zk.owner}", parties=1)
    with barrier:
        there()


def _register(zk):
    return zk.registry("p").register("api", "http://here", id=zk.owner)


CYCLES = {
    "lock": _hold(lambda zk: zk.lock("p")),
    "semaphore": _hold(lambda zk: zk.semaphore("p", permits=2)),
    "several_permits": _hold(lambda zk: zk.semaphore("p", permits=3).acquire(2)),
    "read": _hold(lambda zk: zk.read_write_lock("p").read()),
    "write": _hold(lambda zk: zk.read_write_lock("p").write()),
    "multi_lock": _hold(lambda zk: zk.multi_lock(["p/a", "p/b"])),
    "group": _hold(lambda zk: zk.group("p").join(b"data", id=zk.owner)),
    "registry": _hold(_register),
    "queue": _queue,
    "barrier": _barrier,
    "double_barrier": _double_barrier,
}
for _strategy in _STRATEGIES:
    CYCLES[f"election_{_strategy}"] = _hold(
        lambda zk, strategy=_strategy: zk.election("p", id=zk.owner, strategy=strategy).campaign()
    )


def _below(zk):
    """What is left of the namespace, and of what is above it."""
    return [name for name in zk.children("/") if name != "zookeeper"]


@pytest.mark.parametrize("recipe", CYCLES)
def test_everything_that_a_recipe_made_vanishes_once_nobody_uses_it(coordinator, reaping, recipe):
    zk = coordinator(reaping.connect_string, owner="client")
    root = coordinator(reaping.connect_string, namespace="")
    seen = []
    CYCLES[recipe](zk, lambda: seen.append((zk.exists("p"), _below(root))))
    ((parent, above),) = seen
    assert parent.num_children
    assert above == ["test"]
    zk.close()
    wait_for(lambda: _below(root) == [], 60, "the parents to vanish, the namespace's too")


def _gap(chances):
    """Nothing happens for as long as the reaper needs for some looks, or for less: it takes a level at each."""
    until = time.monotonic() + chances.choice((0, 1, 2, 4, 6)) * _LOOK * chances.random()
    wait_for(lambda: time.monotonic() >= until, 60, "the gap to be over", interval=0.001)


@pytest.mark.parametrize("recipe", CYCLES)
def test_who_comes_while_the_reaper_is_at_work_does_not_notice(coordinator, reaping, recipe):
    made, failed = set(), []

    def work(zk, chances):
        there = functools.partial(_note, zk, made)
        try:
            for _ in range(_CYCLES):
                CYCLES[recipe](zk, there)
                _gap(chances)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test tells
            failed.append(error)

    clients = [coordinator(reaping.connect_string, owner=f"client-{number}") for number in range(2)]
    runs = [threading.Thread(target=work, args=(zk, random.Random(seed))) for seed, zk in enumerate(clients)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(120)
    assert failed == []
    assert not any(run.is_alive() for run in runs)
    # Or else nothing was shown.
    assert len(made) > _CYCLES / 10, f"the reaper took only {len(made)} containers"


def _note(zk, made, path="p"):
    """Remember which of the containers that had this path, or one below, stand now: what has children and no data."""
    stat = zk.exists(path)
    if stat is None or stat.data_length or not stat.num_children:
        return
    made.add(stat.czxid)
    with contextlib.suppress(exceptions.NoNode):
        for name in zk.children(path):
            _note(zk, made, f"{path}/{name}")


def test_who_waits_joins_again_where_its_node_and_then_the_parent_were_deleted(coordinator, reaping):
    zk, other = (coordinator(reaping.connect_string) for _ in range(2))
    lock, held = other.lock("p"), zk.lock("p").acquire()
    before = zk.exists("p").czxid
    taken = []
    thread = threading.Thread(target=lambda: taken.append(lock.acquire(timeout=30)))
    thread.start()
    wait_for(lambda: len(lock.contenders()) == 2, 60, "the other to wait")
    with zk.multi() as batch:
        for name in zk.children("p"):
            batch.delete(f"p/{name}")
        batch.delete("p")
    thread.join(60)
    assert [one.state for one in taken] == ["HELD"]
    assert zk.exists("p").czxid > before
    wait_for(lambda: held.state == "LOST", 60, "the holder to learn that its node is gone")
