"""The errors: each under its builtin, each picklable with its message, none that nobody raises by name."""

import inspect
import multiprocessing
import pickle

import pytest

import sparkeeper
from sparkeeper import exceptions
from sparkeeper.exceptions import SparkeeperError

_PARENTS = {
    "SparkeeperError": Exception,
    "AcquireTimeout": TimeoutError,
    "ConnectionLost": ConnectionError,
    "SessionExpired": ConnectionError,
    "AuthFailed": PermissionError,
    "NotAuthorized": PermissionError,
    "Fenced": SparkeeperError,
    "LockLost": exceptions.Fenced,
    "TermLost": exceptions.Fenced,
    "ClaimLost": exceptions.Fenced,
    "CommitConflict": SparkeeperError,
    "CommitUnknown": SparkeeperError,
    "HistoryLost": SparkeeperError,
    "NotATable": SparkeeperError,
    "CorruptManifest": SparkeeperError,
    "NoNode": KeyError,
    "NodeExists": SparkeeperError,
    "BadVersion": SparkeeperError,
    "PayloadTooLarge": ValueError,
    "InvalidPath": ValueError,
    "ConfigError": ValueError,
    "Unsupported": NotImplementedError,
    "NotOwner": RuntimeError,
    "WouldDeadlock": RuntimeError,
    "Closed": RuntimeError,
    "MemberLost": RuntimeError,
    "RunCancelled": RuntimeError,
    "ForkedProcessError": RuntimeError,
}

_TEXT = "lock 'a/b': held by \N{GREEK SMALL LETTER ALPHA} (token 7)"


def test_the_list_is_whole():
    defined = {name for name, found in vars(exceptions).items() if inspect.isclass(found)}
    assert defined == set(_PARENTS)


@pytest.mark.parametrize("name", _PARENTS)
def test_each_stands_under_ours_and_its_builtin(name):
    found = getattr(exceptions, name)
    assert issubclass(found, SparkeeperError)
    assert issubclass(found, _PARENTS[name])
    assert found.__doc__


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", _PARENTS)
def test_each_pickles_with_its_message(name, protocol):
    error = getattr(exceptions, name)(_TEXT)
    copied = pickle.loads(pickle.dumps(error, protocol))
    assert type(copied) is type(error)
    assert (str(copied), copied.args) == (_TEXT, (_TEXT,))


def _fail(address):
    sparkeeper.connect(address)


def test_one_that_the_core_raised_travels_between_processes():
    with (
        multiprocessing.get_context("spawn").Pool(1) as pool,
        pytest.raises(exceptions.ConfigError, match="not a port"),
    ):
        pool.apply(_fail, ("host:99999",))


def test_one_that_the_core_raised_pickles(zk):
    with pytest.raises(exceptions.NoNode) as raised:
        zk.get("a/b")
    copied = pickle.loads(pickle.dumps(raised.value))
    assert str(copied) == str(raised.value)
    assert str(copied).startswith("get '/test/")
    with pytest.raises(KeyError):
        zk.get("a/b")


_WHOLE = {
    "parties": lambda zk, n: zk.double_barrier("b", parties=n),
    "keep": lambda zk, n: zk.config("c", keep=n).set({}),
    "expect": lambda zk, n: zk.config("c").set({}, expect=n),
    "rollback": lambda zk, n: zk.config("c").rollback(n),
    "rollback expect": lambda zk, n: (zk.config("c").set({}), zk.config("c").rollback(1, expect=n)),
    "wait_for": lambda zk, n: zk.group("g").wait_for(n),
    "dead_letters": lambda zk, n: zk.queue("q").dead_letters(n),
    "max_attempts": lambda zk, n: zk.queue("q", max_attempts=n),
    "queue priority": lambda zk, n: zk.queue("q").put(b"", priority=n),
    "queue priority of many": lambda zk, n: zk.queue("q").put_many([b""], priority=n),
    "reserve": lambda zk, n: zk.counter("n").reserve(n),
    "permits": lambda zk, n: zk.semaphore("s", permits=n),
    "permits set": lambda zk, n: setattr(zk.semaphore("s"), "permits", n),
    "acquire": lambda zk, n: zk.semaphore("s").acquire(n),
    "try_acquire": lambda zk, n: zk.semaphore("s").try_acquire(n),
    "weight": lambda zk, n: zk.registry("r").register("s", "here", weight=n, timeout=5),
    "limit": lambda zk, n: zk.partitions("p", items=[1]).join(limit=n),
}
# A negative number is one to add, a token that nobody has, or a priority: only what 64 bits do not hold is wrong.
_SIGNED = {
    "default": lambda zk, n: zk.counter("n", default=n),
    "add": lambda zk, n: zk.counter("n").add(n),
    "set": lambda zk, n: zk.counter("n").set(n),
    "old": lambda zk, n: zk.counter("n").compare_and_set(n, 1),
    "new": lambda zk, n: zk.counter("n").compare_and_set(1, n),
    "break_": lambda zk, n: zk.lock("l").break_(n),
    "break_ of many": lambda zk, n: zk.multi_lock(["l", "m"]).break_(n),
    "priority": lambda zk, n: zk.election("e", strategy="priority", priority=n),
    "set version": lambda zk, n: zk.set("x", b"", version=n),
    "delete version": lambda zk, n: zk.delete("x", version=n),
    "multi set version": lambda zk, n: zk.multi().set("x", b"", version=n),
    "multi delete version": lambda zk, n: zk.multi().delete("x", version=n),
    "multi check version": lambda zk, n: zk.multi().check("x", version=n),
}


@pytest.mark.parametrize("number", [-(2**70), -1001, 2**70], ids=["far below", "negative", "huge"])
@pytest.mark.parametrize("ask", _WHOLE.values(), ids=_WHOLE)
def test_a_whole_number_out_of_range_is_a_wrong_setting(zk, ask, number):
    with pytest.raises(exceptions.ConfigError, match=rf"\w={number}\b"):
        ask(zk, number)


@pytest.mark.parametrize("number", [-(2**63) - 1, 2**63], ids=["far below", "huge"])
@pytest.mark.parametrize("ask", _SIGNED.values(), ids=_SIGNED)
def test_a_whole_number_beyond_its_bits_is_a_wrong_setting(zk, ask, number):
    with pytest.raises(exceptions.ConfigError, match=rf"^\w+={number}: give a whole number from -\d+ to \d+"):
        ask(zk, number)


def test_what_is_no_whole_number_is_a_type_error(zk):
    for ask in (*_WHOLE.values(), *_SIGNED.values()):
        with pytest.raises(TypeError):
            ask(zk, "1")
