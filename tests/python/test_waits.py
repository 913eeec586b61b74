"""A wait that lasts says whom it waits for, and a notebook shows it below its cell."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import nbformat
import pytest
from nbclient import NotebookClient

from sparkeeper import exceptions
from waiting import wait_for

# What is asked for, what somebody else does first, and what is said of it.
WAITS = {
    "lock": (lambda zk: zk.lock("r"), "waiting for 'r': first has it, 0 in line before us"),
    "semaphore": (lambda zk: zk.semaphore("r", 1), "waiting for 'r': first has it, 0 in line before us"),
    "multi_lock": (lambda zk: zk.multi_lock(["q", "r"]), "waiting for 'q': first has it, 0 in line before us"),
    "writer": (lambda zk: zk.read_write_lock("r").write(), "waiting for 'r': first has it, 0 in line before us"),
}


@pytest.mark.parametrize(("make", "expected"), WAITS.values(), ids=WAITS)
def test_a_wait_that_lasts_says_whom_it_waits_for(zk, coordinator, caplog, make, expected):
    with caplog.at_level(logging.INFO, "sparkeeper.waiting"), make(coordinator(owner="first")).acquire():
        with pytest.raises(exceptions.AcquireTimeout):
            make(zk).acquire(timeout=0.5)
        with pytest.raises(exceptions.AcquireTimeout):
            make(zk).acquire(timeout=7)
    assert waits(caplog) == [expected]


def waits(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "sparkeeper.waiting"]


@pytest.mark.parametrize("strategy", ["fair", "random", "priority", "vote"])
def test_who_stands_by_is_told_who_leads(coordinator, caplog, strategy):
    first, second = (coordinator(owner=name).election("e", strategy=strategy, id=name) for name in "ab")
    with (
        caplog.at_level(logging.INFO, "sparkeeper.waiting"),
        first.campaign(timeout=60),
        pytest.raises(exceptions.AcquireTimeout),
    ):
        second.campaign(timeout=4)
    assert waits(caplog) == ["waiting for 'e': a has it, 0 in line before us"]


def test_who_waits_at_a_barrier_is_told_why(zk, coordinator, caplog):
    coordinator(owner="first").barrier("b").close()
    with caplog.at_level(logging.INFO, "sparkeeper.waiting"):
        with pytest.raises(exceptions.AcquireTimeout):
            zk.barrier("b").wait(timeout=4)
        with pytest.raises(exceptions.AcquireTimeout):
            zk.double_barrier("d", parties=3).enter(timeout=4)
    assert waits(caplog) == ["waiting at 'b': first closed it", "waiting at 'd': 1 of 3 are there"]


def test_a_wait_says_it_again_when_somebody_else_has_it(coordinator, caplog):
    zks = [coordinator(owner=owner) for owner in ("first", "second", "third")]
    with caplog.at_level(logging.INFO, "sparkeeper.waiting"), ThreadPoolExecutor(2) as pool:
        held = zks[0].lock("l").acquire()
        second = pool.submit(zks[1].lock("l").acquire)
        wait_for(lambda: len(zks[0].lock("l").contenders()) == 2, 60, "the second in line")
        third = pool.submit(zks[2].lock("l").acquire)
        wait_for(lambda: len(waits(caplog)) == 2, 60, "both to be told")
        held.release()
        held = second.result(60)
        wait_for(lambda: len(waits(caplog)) == 3, 60, "the third to be told again")
        held.release()
        third.result(60).release()
    assert sorted(waits(caplog)[:2]) == [
        f"waiting for 'l': first has it, {before} in line before us" for before in (0, 1)
    ]
    assert waits(caplog)[2:] == ["waiting for 'l': second has it, 0 in line before us"]


def test_a_notebook_shows_it_below_its_cell(connect_string, namespace):
    cells = [
        f"import sparkeeper\nzk = sparkeeper.connect({connect_string!r}, namespace={namespace!r})",
        "held = zk.lock('l', owner='the holder').acquire()",
        "try:\n    zk.lock('l', owner='us').acquire(timeout=6)\nexcept TimeoutError:\n    pass",
        "zk.lock('l')",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=120).execute()
    told = "".join(output.get("text", "") for output in notebook.cells[2].outputs)
    assert told == "waiting for 'l': the holder has it, 0 in line before us\n"
    assert "the holder" in notebook.cells[3].outputs[0]["data"]["text/html"]
