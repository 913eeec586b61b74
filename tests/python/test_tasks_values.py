"""Payloads and results above 64 KiB lie in files of a shared directory, which go with their tasks."""

import json
import threading

import pytest

from sparkeeper import exceptions
from waiting import wait_for

_LARGE = "x" * 200_000


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "values"


@pytest.fixture
def tasks(zk, directory):
    return zk.tasks("t", strategy="priority", max_attempts=1, directory=directory)


def files(directory):
    return sorted(path.name for path in directory.glob("*.json"))


def test_large_values_travel_by_reference(zk, tasks, directory):
    tasks.submit([_LARGE, "small"])
    assert len(files(directory)) == 1
    [page] = zk.children("t/items")
    nodes = [zk.get(f"t/items/{page}/{name}")[0] for name in zk.children(f"t/items/{page}")]
    assert max(map(len, nodes)) < 1000
    tasks.work(lambda payload: payload * 2, idle=0)
    # The payload's file went, the result's came.
    assert len(files(directory)) == 1
    assert [one.value for one in tasks.results()] == [_LARGE * 2, "smallsmall"]
    assert files(directory) == []


def test_a_handle_takes_its_directory_along(tasks, directory):
    rebuild, arguments = tasks.__reduce__()
    assert arguments[-1]["directory"] == str(directory)
    again = rebuild(*arguments)
    again.submit([_LARGE])
    tasks.work(len, idle=0)
    assert [one.value for one in tasks.results()] == [len(_LARGE)]


def test_who_has_no_directory_says_so(zk, tasks):
    tasks.submit([_LARGE])
    other = zk.tasks("t", strategy="priority", max_attempts=1)
    other.work(len, idle=0)
    [found] = other.results()
    assert "give tasks the directory" in found.error


def test_a_dead_task_keeps_its_payload_until_it_is_done_or_purged(tasks, directory):
    tasks.submit([_LARGE + "a", _LARGE + "b"])
    tasks.work(lambda payload: payload / 2, idle=0)
    assert [one.ok for one in tasks.results()] == [False, False]
    first, second = tasks.dead_letters()
    assert (first.payload, second.payload) == (_LARGE + "a", _LARGE + "b")
    assert tasks.retry_dead(first.id) == 1
    tasks.work(len, idle=0)
    assert tasks.purge_dead(second.id) == 1
    assert files(directory) == []
    assert [one.value for one in tasks.results()] == [len(first.payload)]


def test_a_cancelled_task_s_payload_goes(tasks, directory):
    tasks.submit([_LARGE])
    assert tasks.cancel() == 1
    assert [one.error for one in tasks.results()] == ["cancelled"]
    assert files(directory) == []


def test_the_result_of_an_attempt_that_does_not_count_goes(tasks, coordinator, directory):
    begun, go_on = threading.Event(), threading.Event()

    def handle(payload):
        begun.set()
        assert go_on.wait(30)
        return _LARGE + payload

    other = coordinator().tasks("t", strategy="priority", directory=directory)
    [task] = tasks.submit(["a"])
    worker = threading.Thread(target=other.work, args=(handle,), kwargs={"idle": 1})
    worker.start()
    assert begun.wait(30)
    assert tasks.cancel([task]) == 1
    go_on.set()
    worker.join(30)
    assert not worker.is_alive()
    assert files(directory) == []


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_lost_result_is_reported_and_not_in_the_way(tasks, directory, damage):
    tasks.submit(["a", "b"])
    tasks.work(lambda payload: _LARGE if payload == "a" else payload, idle=0)
    [name] = files(directory)
    if damage == "missing":
        (directory / name).unlink()
    else:
        (directory / name).write_text(json.dumps(_LARGE.replace("x", "y")))
    lost, fine = tasks.results()
    assert (lost.ok, lost.value, fine.value) == (False, None, "b")
    assert name in lost.error
    wait_for(lambda: files(directory) == [], 5, "the file to go")


@pytest.mark.parametrize("damage", ["missing", "changed", "directory"])
def test_a_dead_task_whose_payload_is_lost_does_not_hide_the_others(zk, tasks, directory, damage):
    tasks.submit([_LARGE, "small"])
    tasks.work(lambda payload: payload / 2, idle=0)
    [name] = files(directory)
    if damage == "missing":
        (directory / name).unlink()
    elif damage == "changed":
        (directory / name).write_text(json.dumps(_LARGE.replace("x", "y")))
    else:
        tasks = zk.tasks("t", strategy="priority", max_attempts=1)
    lost, fine = tasks.dead_letters()
    assert (lost.payload, fine.payload, fine.unread) == (None, "small", None)
    assert name in lost.unread
    assert "TypeError" in lost.error
    assert tasks.purge_dead(lost.id) == 1
    assert tasks.dead_letters() == [fine]


def test_what_was_put_into_a_plain_queue_is_no_task(zk, tasks):
    zk.queue("t").put(b"\xff")
    assert tasks.work(len, idle=0) == 0
    [found] = tasks.results()
    assert "give it another" in found.error
    [dead] = tasks.dead_letters()
    assert (dead.payload, "give it another" in dead.unread) == (None, True)


@pytest.mark.parametrize("directory", ["relative/path", "", "/"])
def test_a_directory_that_is_none_is_refused(zk, directory):
    with pytest.raises(exceptions.ConfigError, match=f"^directory '{directory}' is "):
        zk.tasks("t", directory=directory)


def test_a_directory_that_cannot_be_written_is_refused(zk):
    tasks = zk.tasks("t", directory="/proc/no-such-place")
    with pytest.raises(
        exceptions.ConfigError, match=r"payload 1: 200002 bytes .* /proc/no-such-place/\w+\.json cannot"
    ):
        tasks.submit(["small", _LARGE])
    assert tasks.status().queued == 0
