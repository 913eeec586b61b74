"""Secrets: given by reference, asked for anew by each session, and found nowhere else."""

import logging
import pickle
import threading
import traceback
from functools import partial
from pathlib import Path

import kazoo.client
import pytest

import sparkeeper
import vault
from program import Program
from sparkeeper import exceptions
from waiting import wait_for

SECRET = "hunter2"  # noqa: S105 - what the tests look for
OTHER = "correct-horse"


@pytest.fixture(autouse=True)
def _common_ground(coordinator):
    """The namespace is everybody's, whoever comes first."""
    coordinator().create("open")


@pytest.fixture
def today(tmp_path, monkeypatch):
    """What the vault gives today; write it to change it."""
    file = tmp_path / "today"
    file.write_text(f"bob:{SECRET}\n")
    monkeypatch.setenv("TEST_VAULT", str(file))
    return file


def identity(path, connect_string, namespace, secrets=(SECRET, OTHER)):
    """Which of the passwords made this node of bob's."""
    for secret in secrets:
        peer = kazoo.client.KazooClient(connect_string, auth_data=[("digest", f"bob:{secret}")])
        peer.start(timeout=20)
        try:
            peer.get(f"/{namespace}/{path}")
        except kazoo.exceptions.NoAuthError:
            continue
        finally:
            peer.stop()
            peer.close()
        return secret
    return None


def test_a_function_is_asked_for_each_session_and_a_rotated_secret_is_taken_up(
    proxy, coordinator, connect_string, namespace
):
    asked = []

    def ask():
        asked.append(threading.current_thread())
        return f"bob:{SECRET if len(asked) == 1 else OTHER}"

    zk = coordinator(proxy.connect_string, session_timeout=1, auth=("digest", ask), acl="creator")
    zk.create("first")
    proxy.cut()
    wait_for(lambda: zk.state == "EXPIRED", 60, "the end of the session")
    proxy.heal()
    wait_for(lambda: zk.state == "CONNECTED", 60, "the next session")
    zk.create("second")
    assert len(asked) >= 2
    assert identity("first", connect_string, namespace) == SECRET
    assert identity("second", connect_string, namespace) == OTHER


@pytest.mark.parametrize("reference", ["file", "env"])
def test_a_rotated_file_or_variable_is_taken_up_by_the_next_session(  # noqa: PLR0917 - fixtures
    proxy, coordinator, connect_string, namespace, today, monkeypatch, reference
):
    monkeypatch.setenv("TEST_SECRET", f"bob:{SECRET}")
    where = f"file:{today}" if reference == "file" else "env:TEST_SECRET"
    zk = coordinator(proxy.connect_string, session_timeout=1, auth=("digest", where), acl="open")
    today.write_text(f"bob:{OTHER}")
    monkeypatch.setenv("TEST_SECRET", f"bob:{OTHER}")
    proxy.cut()
    wait_for(lambda: zk.state == "EXPIRED", 60, "the end of the session")
    proxy.heal()
    wait_for(lambda: zk.state == "CONNECTED", 60, "the next session")
    zk.create("next", acl="creator")
    assert identity("next", connect_string, namespace) == OTHER


def test_a_function_that_fails_for_a_while_delays_the_next_session_and_does_not_end_it(proxy, coordinator):
    failing = threading.Event()
    asked = []

    def ask():
        asked.append(1)
        if failing.is_set():
            raise OSError("the vault is sealed")
        return f"bob:{SECRET}"

    zk = coordinator(proxy.connect_string, session_timeout=1, auth=("digest", ask))
    failing.set()
    proxy.cut()
    wait_for(lambda: zk.state == "EXPIRED", 60, "the end of the session")
    proxy.heal()
    seen = len(asked)
    wait_for(lambda: len(asked) > seen + 1, 60, "it to be asked again")
    assert zk.state == "EXPIRED"
    failing.clear()
    wait_for(lambda: zk.state == "CONNECTED", 60, "the next session")


async def test_a_function_may_take_its_time_and_pythons_lock_also_under_asyncio(coordinator, connect_string, namespace):
    other = coordinator()
    other.create("a", b"x")

    def ask():
        return f"bob:{other.get('a')[0].decode()}"

    handle = sparkeeper.Coordinator(connect_string, namespace=namespace, auth=[("digest", ask)])
    assert await handle.get_async("a") == (b"x", other.exists("a"))
    await handle.close_async()


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (lambda: {}["none"], "raised KeyError"),
        (lambda: None, "returned a NoneType; return a str"),
        (SECRET.encode, "returned a bytes; return a str"),
        (lambda: SECRET, "written user:password"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said_without_the_answer(connect_string, ask, text):
    with pytest.raises(exceptions.ConfigError, match=text) as refused:
        sparkeeper.connect(connect_string, auth=("digest", ask))
    assert SECRET not in str(refused.value)


_USER = """
import pickle
zk = pickle.loads(bytes.fromhex(hear()))
say([zk.get("mine")[0].decode(), pickle.loads(pickle.dumps(zk)).get("mine")[0].decode()])
"""


@pytest.mark.usefixtures("today")
@pytest.mark.parametrize("ask", [vault.credential, vault.Vault.credential], ids=["function", "static method"])
def test_a_function_of_a_module_travels_by_its_name(coordinator, ask):
    zk = coordinator(auth=("digest", ask), acl="creator")
    zk.create("mine", b"seen")
    pickled = pickle.dumps(zk)
    assert SECRET.encode() not in pickled
    with Program(_USER, PYTHONPATH=f"{Path(__file__).parent}:{Path(sparkeeper.__file__).parents[1]}") as program:
        assert program.ask(pickled.hex()) == ["seen", "seen"]


def test_functions_that_others_would_not_find_do_not_travel(coordinator):
    def nested():
        return f"bob:{SECRET}"

    for ask in (nested, lambda: f"bob:{SECRET}", partial(str, f"bob:{SECRET}")):
        zk = coordinator(auth=("digest", ask))
        for handle in (zk, zk.lock("l")):
            with pytest.raises(exceptions.ConfigError, match="top of a module") as refused:
                pickle.dumps(handle)
            assert SECRET not in str(refused.value)


def test_a_function_of_the_main_program_does_not_travel_by_value(connect_string):
    """Spark's pickler would take such a function along whole, and what it uses with it."""
    code = """
import cloudpickle
def ask():
    return "bob:hunter2"
zk = sparkeeper.connect(sys.argv[1], auth=("digest", ask))
try:
    cloudpickle.dumps(zk)
except exceptions.ConfigError as error:
    say(str(error))
"""
    with Program(code.replace("import cloudpickle", "from pyspark import cloudpickle"), connect_string) as program:
        said = program.answer()
    assert "top of a module" in said
    assert SECRET not in said


@pytest.mark.usefixtures("today")
def test_two_copies_with_one_function_share_a_session(coordinator):
    zk = coordinator(auth=("digest", vault.credential))
    first, second = (pickle.loads(pickle.dumps(zk)) for _ in range(2))
    first.sync()
    second.sync()
    assert first.session_id == second.session_id != zk.session_id
    first.close()


def everything(zk, lock, held):
    """Whatever can be seen of a coordinator and what belongs to it."""
    yield from (repr(zk), str(zk), repr(vars(zk)), repr(lock), repr(held), repr(zk.multi()), repr(zk.metrics()))
    for name in dir(zk):
        if not name.startswith("__"):
            yield repr(getattr(zk, name))
    try:
        yield repr(zk._settings())
    except exceptions.ConfigError as error:
        yield "".join(traceback.format_exception(error))


GIVEN = {
    "literal": lambda _: f"bob:{SECRET}",
    "env": lambda _: "env:TEST_SECRET",
    "file": lambda today: f"file:{today}",
    "function": lambda _: vault.credential,
    "lambda": lambda _: lambda: f"bob:{SECRET}",
}


@pytest.mark.parametrize("scheme", ["digest", "sasl", "nonsense"])
@pytest.mark.parametrize("given", GIVEN)
def test_no_secret_shows_anywhere(  # noqa: PLR0917 - fixtures
    proxy, namespace, today, monkeypatch, caplog, given, scheme
):
    monkeypatch.setenv("TEST_SECRET", f"bob:{SECRET}")
    caplog.set_level(1)
    logging.getLogger("zookeeper_client").setLevel(1)
    seen = []

    def note(call):
        try:
            seen.append(repr(call()))
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not tell
            shown = traceback.TracebackException.from_exception(error, capture_locals=True)
            # Our own frames; this test's variables are this test's.
            shown.stack[:] = [frame for frame in shown.stack if "/sparkeeper/" in frame.filename]
            seen.extend((str(error), repr(error), repr(error.args), *shown.format(), repr(pickle.dumps(error))))

    auth = (scheme, GIVEN[given](today))
    note(lambda: sparkeeper.connect(proxy.connect_string, auth=auth, namespace="a//b"))
    note(lambda: sparkeeper.connect(proxy.connect_string, auth=auth, acl="nonsense"))
    note(lambda: sparkeeper.connect(proxy.connect_string, auth=auth[::-1]))
    note(lambda: sparkeeper.connect(proxy.connect_string, auth=[auth, SECRET]))
    note(lambda: sparkeeper.connect(proxy.connect_string, auth={SECRET: 1}))
    note(lambda: sparkeeper.connect(proxy.connect_string, auth=auth, session_timeout="x"))
    seen.append(repr(sparkeeper._sparkeeper.Secret(auth[1])))
    note(lambda: pickle.dumps(sparkeeper._sparkeeper.Secret(auth[1])))
    try:
        zk = sparkeeper.connect(proxy.connect_string, auth=auth, namespace=namespace, session_timeout=2, timeout=20)
    except exceptions.AuthFailed as error:
        seen.append(str(error))
    else:
        with zk:
            held = zk.lock("l").acquire()
            seen.extend(everything(zk, zk.lock("l"), held))
            note(lambda: zk.get("none"))
            note(lambda: pickle.dumps(zk))
            note(lambda: pickle.dumps(zk.lock("l")))
            proxy.cut()
            wait_for(lambda: zk.state == "EXPIRED", 60, "the end of the session")
            note(held.check)
            proxy.heal()
            wait_for(lambda: zk.state == "CONNECTED", 60, "the next session")
    wait_for(lambda: any("zookeeper_client" in record.name for record in caplog.records), 60, "the library's log")
    seen.extend(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert len(seen) > 20
    assert [text for text in seen if SECRET in text] == []
