"""`sparkeeper.doctor(spark)`: can the driver and every executor work with the ensemble, and if not, what to do."""

from __future__ import annotations

import functools
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparkeeper.connection import connect
from sparkeeper.exceptions import AuthFailed, ConnectionLost
from sparkeeper.spark.checkup_probe import SCHEMA, prober, tasks
from sparkeeper.spark.checkup_server import Server, look, places
from sparkeeper.spark.checkup_verdict import Finding, findings
from sparkeeper.text_table import table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pyspark.sql import SparkSession

_PAUSE = 0.2
_TASKS = 32


@dataclass(frozen=True)
class Process:
    """The driver, or an executor as its Python workers see it."""

    name: str
    """ "driver", or the executor's host and process id."""
    workers: int
    """How many Python processes of it answered."""
    python: str
    executable: str
    pyspark: str
    sparkeeper: str | None
    """Versions; None where it is not installed."""
    error: str | None
    """Why it cannot work with the ensemble; None where it can."""
    full: str | None
    """Then, a server that closed a connection of it before it was asked anything."""
    lease: float | None
    """Seconds for which a lock that it has just taken is sure: the session timeout as granted."""
    round_trip: float | None
    """Seconds that a lock took, the median."""
    ahead: float | None
    """Seconds by which its clock is ahead of the server's."""
    uncertain: float | None
    """Give or take so many."""


@dataclass(frozen=True)
class Checkup:
    """What the doctor found. Print it for a table, the verdict, and what to do."""

    driver: Process
    executors: tuple[Process, ...]
    servers: tuple[Server, ...]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; what is merely worth knowing does not count."""
        return all(finding.harmless for finding in self.findings)

    def __str__(self) -> str:
        """Return tables and the verdict."""
        processes = [
            [
                one.name,
                str(one.workers),
                one.python,
                one.pyspark,
                one.sparkeeper or "missing",
                "no" if one.error else "yes",
                _shown(one.round_trip, 1000, "ms"),
                _shown(one.lease, 1, "s"),
                "-" if one.uncertain is None else f"{_shown(one.ahead, 1000, '')}± {_shown(one.uncertain, 1000, 'ms')}",
            ]
            for one in (self.driver, *self.executors)
        ]
        heads = ["process", "workers", "python", "pyspark", "sparkeeper", "connects", "a lock", "lease", "clock ahead"]
        servers = [
            [one.address, one.version or "no answer", _limit(one), "not told" if one.most is None else str(one.most)]
            for one in self.servers
        ]
        parts = [table(heads, processes)]
        parts += [table(["server", "version", "connections an address may have", "has at most"], servers)]
        parts += [f"{'worth knowing' if found.harmless else 'WRONG'}: {found}" for found in self.findings]
        parts += ["All is well." if self.ok else "Not well: see above."]
        return "\n\n".join(parts)


def doctor(spark: SparkSession, *, timeout: float = 10.0, probes: int | None = None) -> Checkup:
    """Look at the driver, at every executor that runs a task of ours, and at the servers.

    Args:
        spark: A session with `spark.zookeeper.connect`, classic or Spark Connect.
        timeout: How long each process tries to connect, in seconds.
        probes: How many tasks to send; by default four for each slot of a classic session, else 32.

    Raises:
        ConfigError: The session does not say where the ensemble is.
    """
    addresses = _addresses(spark, timeout)
    where = places(addresses)
    driver = _process("driver", [prober(functools.partial(connect, spark), timeout, where)()])
    known, slots = _cluster(spark)
    rows, failure = _ask(spark, probes or 4 * (slots or _TASKS // 4), tasks(timeout, _PAUSE, where))
    executors = [_process(f"{host} / {pid}", found) for (host, pid), found in sorted(_by_executor(rows).items())]
    servers = look(addresses, min(timeout, 2.0))
    found = findings(driver, executors, servers, known=known, failure=failure)
    return Checkup(driver, tuple(executors), tuple(servers), tuple(found))


def _addresses(spark: SparkSession, timeout: float) -> str:
    """Return where the ensemble is, also where the setting is "local"."""
    try:
        with connect(spark, timeout=timeout) as zk:
            return zk.connect_string
    except (ConnectionLost, AuthFailed):
        return str(spark.conf.get("spark.zookeeper.connect"))


def _ask(
    spark: SparkSession, probes: int, answering: Callable[[Iterator[Any]], Iterator[Any]]
) -> tuple[list[dict[str, Any]], str | None]:
    """Return the answers of tasks, or why there are none."""
    try:
        rows = spark.range(0, probes, 1, probes).mapInArrow(answering, SCHEMA).collect()
    except Exception as error:  # noqa: BLE001 - Spark's own, of which each version has others
        return [], str(error)
    return [row.asDict() for row in rows], None


def _cluster(spark: SparkSession) -> tuple[int | None, int | None]:
    """Return how many executors a classic session knows of, and their slots."""
    if getattr(spark, "_jvm", None) is None:
        return None, None
    context = spark.sparkContext
    known = len(context._jsc.sc().statusTracker().getExecutorInfos())  # noqa: SLF001 - nothing public tells
    # The driver is one of them, and runs tasks itself in local mode only.
    here = str(context.master).startswith("local[") or context.master == "local"
    return 1 if here else max(1, known - 1), context.defaultParallelism


def _by_executor(rows: Iterable[dict[str, Any]]) -> dict[tuple[str, int], list[dict[str, Any]]]:
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault((row["host"], row["executor"]), []).append(row)
    return found


def _process(name: str, answers: Sequence[dict[str, Any]]) -> Process:
    """Sum up what one process's workers said: the first that failed speaks for all."""
    first = next((answer for answer in answers if answer["error"]), answers[0])
    timed = [answer for answer in answers if answer["round_trip"] is not None]
    surest = min(timed, key=lambda answer: answer["uncertain"], default={"ahead": None, "uncertain": None})
    return Process(
        name=name,
        workers=len({answer["worker"] for answer in answers}),
        **{key: first[key] for key in ("python", "executable", "pyspark", "sparkeeper", "error", "full")},
        lease=min((answer["lease"] for answer in timed), default=None),
        round_trip=statistics.median(answer["round_trip"] for answer in timed) if timed else None,
        ahead=surest["ahead"],
        uncertain=surest["uncertain"],
    )


def _shown(value: float | None, factor: float, unit: str) -> str:
    return "-" if value is None else f"{value * factor:.1f} {unit}"


def _limit(server: Server) -> str:
    return "not told" if server.limit is None else "any number" if server.limit == 0 else str(server.limit)
