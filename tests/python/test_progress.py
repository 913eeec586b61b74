"""Progress of a save: in a terminal, in a notebook, and nowhere else."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import sys
import time

import nbformat
import pytest
from nbclient import NotebookClient

from sparkeeper.spark.progress import PATIENCE, Progress
from sparkeeper.spark.screen import Terminal, find_screen
from sparkeeper.spark.steps import Step
from waiting import wait_for


@contextlib.contextmanager
def terminal():
    """Make standard error a real terminal of 100 columns; what is yielded returns what was written to it so far."""
    # In the test itself: pytest puts its own standard error there after the fixtures.
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    seen = bytearray()

    def written() -> str:
        try:
            while True:
                seen.extend(os.read(ours, 65536))
        except BlockingIOError:
            return seen.decode()

    with os.fdopen(theirs, "w") as stream, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        patch.setenv("COLUMNS", "100")
        yield written
        written()
    os.close(ours)


def states(text):
    """Return what the line said, one after the other."""
    return [state.strip() for state in re.split(r"\r\x1b\[K", text) if state.strip()]


def test_a_terminal_gets_one_line_that_goes_through_the_stages():
    with terminal() as written:
        with Progress("file:///t", lambda _: None, wanted=True) as progress:
            progress.step(Step.BEGUN)
            wait_for(lambda: "write 1." in written(), 60, "the first state")
            progress.step(Step.STAGED)
            progress.expect(200)
            progress.moved(120)
            wait_for(lambda: "relocate 120/200 files" in written(), 60, "the count")
            progress.moved(80)
            for step in (Step.RELOCATED, Step.PROPOSED, Step.PROPOSED):
                progress.step(step)
            wait_for(lambda: "commit try 2" in written(), 60, "the second try")
            for step in (Step.COMMITTED, Step.PUBLISHED, Step.CLEANED):
                progress.step(step)
        shown = states(written())
    assert shown[0].startswith("file:///t: write 1.")
    assert shown[0].endswith(" s | relocate | commit | publish")
    stages = ["write", "relocate 200/200 files", "commit try 2", "publish"]
    last = " \\| ".join([*(rf"{stage} [\d.]+ s" for stage in stages), "done"])
    assert re.fullmatch(f"file:///t: {last}", shown[-1])
    assert "\n" not in "".join(shown)


def test_a_line_stays_one_line_of_a_narrow_terminal(monkeypatch):
    with terminal() as written:
        monkeypatch.setenv("COLUMNS", "30")
        find_screen().show(
            "file:///a/long/path", ["write 3.0 s", "relocate 1/2 files 0.1 s", "commit"], 0.5, last=False
        )
        assert states(written()) == ["cate 1/2 files 0.1 s | commit"]


def test_a_failure_is_named():
    with terminal() as written:
        progress = Progress("t", lambda _: None, wanted=True)

        def fail():
            with progress:
                progress.step(Step.BEGUN)
                wait_for(lambda: "write" in written(), 60, "the first state")
                raise ValueError("on purpose")

        with pytest.raises(ValueError, match="on purpose"):
            fail()
        assert states(written())[-1].endswith("failed: ValueError")


def test_a_short_save_shows_nothing():
    steps = []
    with terminal() as written:
        assert isinstance(find_screen(), Terminal)
        with Progress("t", steps.append, wanted=True) as progress:
            for step in Step:
                progress.step(step)
        assert written() == ""
    assert steps == list(Step)


def slow(step: Step) -> None:
    if step is Step.STAGED:
        over = time.monotonic() + PATIENCE + 0.5
        wait_for(lambda: time.monotonic() > over, 60, "a save that takes its time")


def test_a_long_save_shows_its_stages_and_is_silent_when_told(spark, zk, tmp_path):
    table = str(tmp_path / "t")
    with terminal() as written:
        zk.write(spark.range(10)).progress(on=False).on_step(slow).save(table)
        assert written() == ""
        zk.write(spark.range(10)).on_step(slow).save(table)
        shown = states(written())
    assert shown[-1].startswith(f"file://{table}: write ")
    assert "relocate 2/2 files" in shown[-1]
    assert shown[-1].endswith("done")


def test_a_save_of_a_transaction_ends_before_the_commit(spark, zk, tmp_path):
    with terminal() as written, zk.transaction() as tx:
        tx.write(spark.range(10)).on_step(slow).save(tmp_path / "t")
        last = states(written())[-1]
    assert re.search(r": write [\d.]+ s \| relocate 2/2 files [\d.]+ s \| ready to commit$", last)
    assert spark.read.parquet(str(tmp_path / "t")).count() == 10


def test_no_terminal_is_no_screen(monkeypatch, capsys):
    assert find_screen() is None
    monkeypatch.setattr(sys, "stderr", None)
    assert find_screen() is None
    with Progress("t", lambda _: None, wanted=True) as progress:
        progress.step(Step.BEGUN)
    assert capsys.readouterr() == ("", "")


CELL = """
import threading
from sparkeeper.spark.progress import Progress
from sparkeeper.spark.steps import Step
shown = threading.Event()
with Progress("<t>", lambda _: None, wanted=True) as progress:
    progress.step(Step.BEGUN)
    while not progress._screen.shown:
        shown.wait(0.01)
    progress.step(Step.STAGED)
    progress.expect(4)
    progress.moved(4)
    progress.step(Step.RELOCATED)
"""


def test_a_notebook_gets_one_display_that_is_updated():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    (output,) = notebook.cells[0].outputs
    assert output.output_type == "display_data"
    text = output.data["text/html"]
    assert "<code>&lt;t&gt;</code>" in text
    assert "relocate 4/4 files" in text
    assert "done" in text
