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


@pytest.mark.parametrize(
    "ask",
    [
        lambda zk: zk.double_barrier("b", parties=-1),
        lambda zk: zk.config("c", keep=-1),
        lambda zk: zk.config("c").set({}, expect=-1),
        lambda zk: zk.config("c").rollback(-1),
        lambda zk: zk.group("g").wait_for(-1),
        lambda zk: zk.queue("q").dead_letters(-1),
        lambda zk: zk.counter("n").set(2**63),
        lambda zk: zk.lock("l").break_(2**70),
    ],
)
def test_a_whole_number_out_of_range_is_a_wrong_setting(zk, ask):
    with pytest.raises(exceptions.ConfigError, match=r"^-1: give a|^\d+: give a whole number from"):
        ask(zk)
