"""What every test may ask for: a real server, where to connect, a corner of its own there, a browser, and Spark."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import sparkeeper
from commands import Shell
from drivers import JVM, Driver, spark_connect_server
from pages import Client, serving
from proxy import Proxy
from sparkeeper.local import LocalServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page
    from pyspark.sql import SparkSession

CORNER = "test"
CHROMIUM = Path(__file__).parents[2] / ".ci" / "chromium"


# Those that start Sparks of their own, one after the other: not as the last ones, on one worker, while others are idle.
_LONG = {"test_submit", "test_write_hdfs", "test_write_viewfs", "test_write_s3", "test_notebooks"}


def pytest_configure() -> None:
    """Let signals be heard also where a shell in the background, or nohup, has them ignored: commands inherit that."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long."""
    items.sort(key=lambda item: item.path.stem not in _LONG)


@pytest.fixture(scope="session")
def server() -> Iterator[LocalServer]:
    """One server for the whole run, from the jars of the PySpark that runs the tests; leave it running."""
    with LocalServer() as running:
        # Not by the test that happens to come first: it may keep others out of the nodes that it makes.
        with sparkeeper.connect(running.connect_string) as zk:
            zk.create(CORNER)
        yield running


@pytest.fixture(scope="session")
def connect_string(server: LocalServer) -> str:
    """Where to connect."""
    return server.connect_string


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> str:
    """A path that no other test uses, without a leading slash."""
    name = re.sub(r"\W+", "-", request.node.name).strip("-")
    return f"{CORNER}/{name}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def proxy(server: LocalServer) -> Iterator[Proxy]:
    """A faulty link to the server."""
    with Proxy(server.port) as running:
        yield running


@pytest.fixture
def coordinator(connect_string: str, namespace: str) -> Iterator[Callable[..., sparkeeper.Coordinator]]:
    """Opens coordinators in the test's namespace: `coordinator(to=..., **settings)`; they are closed after the test."""
    opened = []

    def connect(to: str = connect_string, **settings: object) -> sparkeeper.Coordinator:
        opened.append(sparkeeper.connect(to, **{"namespace": namespace, "timeout": 10, **settings}))
        return opened[-1]

    yield connect
    for made in opened:
        made.close()


@pytest.fixture
def zk(coordinator: Callable[..., sparkeeper.Coordinator]) -> sparkeeper.Coordinator:
    """A coordinator in the test's namespace."""
    return coordinator()


@pytest.fixture
def shell(connect_string: str, namespace: str) -> Shell:
    """The command line, in the test's namespace."""
    return Shell(connect_string, namespace)


@pytest.fixture
def url(shell: Shell, tmp_path: Path) -> Iterator[str]:
    """Where `sparkeeper ui` serves its page."""
    with serving(shell, tmp_path) as (_, url):
        yield url


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    """A reader of the page's events."""
    with Client(url) as client:
        yield client


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real Chromium."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - tests without it do not wait for it

    path = subprocess.run([CHROMIUM], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=path) as browser:
        yield browser


@pytest.fixture
def open_page(browser: Browser, shell: Shell, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Opens pages of one `sparkeeper ui`; what one of them logs as an error fails the test."""
    from playwright.sync_api import expect  # noqa: PLC0415 - as above

    opened, errors = [], []
    with serving(shell, tmp_path) as (_, url):

        def visit(width: int = 1280, scheme: str = "light") -> Page:
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            opened.append(page)
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("console", lambda said: errors.append(said.text) if said.type in {"error", "warning"} else None)
            page.goto(url)
            expect(page.locator("#status")).to_have_text("Live")
            return page

        yield visit
        for page in opened:
            page.close()
    assert errors == []


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """A page that is open."""
    return open_page()


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """One classic session for the whole run; leave it running, and undo the settings you set."""
    from pyspark.sql import SparkSession  # noqa: PLC0415 - tests without Spark do not wait for it

    # Executors must run the interpreter that has us.
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master("local[2]")
        .appName("sparkeeper-tests")
        # Functions of test modules are pickled by name, so tasks import these modules.
        .config("spark.executorEnv.PYTHONPATH", str(Path(__file__).parent))
        .config("spark.ui.enabled", "false")
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse")))
        .config("spark.log.level", "ERROR")
        .config(map=JVM)
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture
def registered(spark: SparkSession, connect_string: str, namespace: str) -> Iterator[SparkSession]:
    """The session with the data source `zookeeper`, in the test's namespace."""
    settings = {"spark.zookeeper.connect": connect_string, "spark.zookeeper.namespace": namespace}
    for name, value in settings.items():
        spark.conf.set(name, value)
    sparkeeper.register(spark)
    yield spark
    for name in settings:
        spark.conf.unset(name)


@pytest.fixture(scope="session")
def spark_connect(connect_string: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Spark Connect server."""
    with spark_connect_server(connect_string, tmp_path_factory.mktemp("spark-connect") / "server.log") as url:
        yield url


@pytest.fixture
def start_driver(
    connect_string: str,
    namespace: str,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Callable[..., Driver]]:
    """Start Spark drivers in processes of their own, in the test's corner of the tree; they end with the test.

    They are clients of a Spark Connect server unless `classic` is asked for: a driver with a JVM of its own.
    """
    # Not in `tmp_path`, which need not be on a disk.
    log = tmp_path_factory.mktemp("drivers") / "drivers.log"
    with contextlib.ExitStack() as stack:

        def start(*, classic: bool = False, **settings: Any) -> Driver:
            settings = {"namespace": namespace, "session_timeout": 2, **settings}
            if not classic:
                settings["remote"] = request.getfixturevalue("spark_connect")
            return stack.enter_context(Driver(connect_string, log, **settings))

        yield start
