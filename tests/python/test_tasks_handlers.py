"""Handlers that end in every way that Python knows: each is a failed attempt with its traceback, but for Ctrl-C."""

import os
import sys

import pytest


@pytest.fixture
def tasks(zk):
    return zk.tasks("t", strategy="priority", max_attempts=2, backoff=0.01)


def error_of(tasks, handler):
    """What is told of a task of which every attempt fails."""
    tasks.submit(["x"])
    assert tasks.work(handler, idle=1) == 0
    [found] = tasks.results()
    assert (found.ok, found.attempts) == (False, 2)
    [dead] = tasks.dead_letters()
    assert dead.error == found.error
    return found.error


def test_a_handler_that_exits_has_failed(tasks):
    def handle(_payload):
        sys.exit("no such file")

    error = error_of(tasks, handle)
    assert "in handle" in error
    assert error.endswith("SystemExit: no such file")


def test_a_handler_that_is_closed_has_failed(tasks):
    def handle(_payload):
        raise GeneratorExit

    assert error_of(tasks, handle).endswith("GeneratorExit")


def test_ctrl_c_puts_the_task_back(tasks):
    def handle(_payload):
        raise KeyboardInterrupt

    tasks.submit(["x"])
    with pytest.raises(KeyboardInterrupt):
        tasks.work(handle)
    tasks.work(str, idle=0)
    assert [one.attempts for one in tasks.results()] == [1]


def test_an_error_may_name_a_file_whose_name_is_no_text(tasks):
    def handle(_payload):
        raise ValueError("cannot read " + os.fsdecode(b"caf\xe9.csv"))

    assert error_of(tasks, handle).endswith("ValueError: cannot read caf\\udce9.csv")


def test_of_a_long_error_the_cause_and_the_end_are_kept(tasks):
    def handle(_payload):
        try:
            {}["the cause"]
        except KeyError as cause:
            raise ValueError("x" * 1_000_000 + " the end") from cause

    error = error_of(tasks, handle)
    assert len(error) < 4_000
    assert "KeyError: 'the cause'" in error
    assert "\n…\n" in error
    assert error.endswith("x the end")


def test_the_longest_error_with_the_most_to_escape_is_kept_whole(tasks):
    def handle(_payload):
        raise ValueError("\udce9" * 10_000 + " the end")

    assert error_of(tasks, handle).endswith("\\udce9 the end")


def test_an_error_that_cannot_be_put_into_words(tasks):
    class Wordless(Exception):
        def __str__(self):
            raise ValueError("no words")

    def handle(_payload):
        raise Wordless

    error = error_of(tasks, handle)
    assert "in handle" in error
    assert "Wordless: <exception str() failed>" in error


def test_an_error_whose_traceback_cannot_be_written(tasks):
    def handle(_payload):
        raise SyntaxError("bad", ("file", 1, "not a column", "text"))

    error = error_of(tasks, handle)
    assert error == "SyntaxError, whose traceback cannot be written: TypeError"
