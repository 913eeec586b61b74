"""What the blocks of a page find when they run: the names that its text takes for granted."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import threading
from typing import TYPE_CHECKING, Any

import sparkeeper
from secured import SASL_PROVIDER, Authority, jaas, tls_server
from sparkeeper.local import LocalServer
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession

Names = dict[str, Any]


def acls(names: Names, folder: Path, stack: contextlib.ExitStack) -> None:
    """A server that asks for a certificate and a password, with the files in the working directory."""
    authority = Authority(folder)
    mine = authority.issue("me")
    mine.cert.rename(folder / "me.pem")
    mine.key.rename(folder / "me.key")
    users = jaas(folder / "users.conf", {"etl": "secret"})
    properties = {"java.security.auth.login.config": str(users), **SASL_PROVIDER}
    server = tls_server(authority.issue("localhost"), authority.ca, client_auth="need", properties=properties)
    names["secure_servers"] = stack.enter_context(server).connect_string


def data_source(names: Names, _: Path, __: contextlib.ExitStack) -> None:
    for path in ("config/a", "services/b"):
        names["zk"].create(path, b"x", parents=True)
    names["df"] = names["spark"].createDataFrame([("c", "y")], "path string, text string")


def limit_connections(names: Names, folder: Path, _: contextlib.ExitStack) -> None:
    names["connect_to_database"] = functools.partial(sqlite3.connect, folder / "database", timeout=60)
    with contextlib.closing(names["connect_to_database"]()) as connection:
        connection.execute("CREATE TABLE t (what)")
    names["insert"] = _insert


def _insert(connection: sqlite3.Connection, what: object) -> None:
    with connection:
        connection.execute("INSERT INTO t VALUES (?)", [str(what)])


def workers(names: Names, folder: Path, stack: contextlib.ExitStack) -> None:
    from pyspark import BarrierTaskContext  # noqa: PLC0415 - as for the session

    limit_connections(names, folder, stack)
    df = names["df"].repartition(2)
    names |= {
        "BarrierTaskContext": BarrierTaskContext,
        "closing": contextlib.closing,
        "df": df,
        "schema": df.schema,
        "work": iter,
    }


def writes(names: Names, folder: Path, _: contextlib.ExitStack) -> None:
    df = names["df"].withColumn("day", names["df"]["id"] % 2)
    df.write.json(str(folder / "arriving"))
    stream = names["spark"].readStream.schema(df.schema).json(str(folder / "arriving"))
    names |= {"df": df, "orders": df, "lines": df, "stream": stream, "c": str(folder / "checkpoint")}


def standby(names: Names, folder: Path, stack: contextlib.ExitStack) -> None:
    """Rows that arrive, and somebody who ends the query once they are written."""
    names["df"].select("id").write.json(str(folder / "inbox"))
    ender = threading.Thread(target=_end_query, args=(names["spark"],))
    stack.callback(ender.join)
    ender.start()


def _end_query(spark: SparkSession) -> None:
    wait_for(lambda: spark.streams.active, 60, "the query")
    for query in spark.streams.active:
        query.processAllAvailable()
        query.stop()


def upgrade(names: Names, _: Path, stack: contextlib.ExitStack) -> None:
    server = stack.enter_context(LocalServer())
    names["new"] = stack.enter_context(sparkeeper.connect(server.connect_string, timeout=10))


def recovery(names: Names, folder: Path, stack: contextlib.ExitStack) -> None:
    """A table of two versions, one whose record is gone, and a lock that somebody holds."""
    zk, df, spark = names["zk"], names["df"], names["spark"]
    for mode in ("append", "overwrite"):
        zk.write(df).mode(mode).save(str(folder / "events"))
    other = stack.enter_context(sparkeeper.connect(names["servers"], namespace=zk.namespace + "-other"))
    other.write(df).save(str(folder / "wiped"))
    for record in ("tables", "paths"):
        other.delete(record, recursive=True)
    names["wiped"] = other.table(spark, str(folder / "wiped"))
    holder = stack.enter_context(sparkeeper.connect(names["servers"], namespace=zk.namespace))
    names["stuck"] = holder.lock("jobs/stuck").acquire()


STAGES: dict[str, Callable[[Names, Path, contextlib.ExitStack], None]] = {
    "docs/data_source.md": data_source,
    "docs/howto/limit_connections.md": limit_connections,
    "docs/howto/standby.md": standby,
    "docs/operations/acls.md": acls,
    "docs/operations/recovery.md": recovery,
    "docs/operations/upgrade.md": upgrade,
    "docs/workers.md": workers,
    "docs/writes.md": writes,
}


@contextlib.contextmanager
def stage(page: str, names: Names, folder: Path) -> Iterator[None]:
    """Set a page's stage, and clear it."""
    with contextlib.ExitStack() as stack:
        STAGES.get(page, lambda *_: None)(names, folder, stack)
        yield
