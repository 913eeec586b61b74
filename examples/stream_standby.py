"""A streaming query with a hot standby: its driver is killed, another goes on from its checkpoint, no row is lost.

Two drivers run for election; whoever leads runs the query, and commits each batch once, under its term. The story kills
the leader in the middle. `python stream_standby.py drive INBOX TABLE CHECKPOINT CONNECT` is one such driver; two of
`spark-submit stream_standby.py drive …` share a cluster.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyspark.sql import SparkSession

import sparkeeper
from screen import console, quiet, say, section, working
from sparkeeper.local import LocalServer

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.streaming import StreamingQuery

    from sparkeeper import Term

FILES, ROWS = 12, 100
# Which batch is the last that the first leader commits.
LAST = 4
# How long a leader may be silent before the standby takes over.
SESSION = 4.0
SILENCE = 300.0


def drive(inbox: str, table: str, checkpoint: str, connect: str) -> None:
    """Be a driver: wait for the lead, and run the query for as long as it lasts."""
    spark = small_spark("standby")
    with sparkeeper.connect(connect, namespace="standby", session_timeout=SESSION) as zk:

        def lead(term: Term) -> None:
            tell(leads=os.getpid())
            commit = zk.foreach_batch(table, app_id="numbers", configure=lambda write: write.guard(term))

            def batch(df: DataFrame, number: int) -> None:
                commit(df, number)
                tell(batch=number, rows=df.count())

            stream = spark.readStream.schema("id bigint").option("maxFilesPerTrigger", 1).json(inbox)
            run(stream.writeStream.foreachBatch(batch).option("checkpointLocation", checkpoint).start(), term)

        zk.election("numbers").run(lead)


def run(query: StreamingQuery, term: Term) -> None:
    """Let the query run until the term is lost; one that fails by itself ends the driver."""
    while query.isActive and not term.lost.wait(0.2):
        pass
    query.stop()
    if query.exception() is not None and not term.lost.is_set():
        raise SystemExit(f"the query failed: {query.exception()}")


def tell(**line: int) -> None:
    """Tell whoever watches; Spark's log is another stream."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def small_spark(name: str) -> SparkSession:
    """Return a small Spark."""
    builder = SparkSession.builder.appName(name).config("spark.ui.enabled", "false")
    return builder.config("spark.log.level", "ERROR").config("spark.sql.shuffle.partitions", "2").getOrCreate()


class Drivers:
    """The two processes, and what they say, in the order in which they say it."""

    def __init__(self, *arguments: str) -> None:
        """Start them."""
        self._said: queue.SimpleQueue[tuple[str, dict[str, Any] | None]] = queue.SimpleQueue()
        command = [sys.executable, __file__, "drive", *arguments]
        self._processes = {name: subprocess.Popen(command, stdout=subprocess.PIPE) for name in ("A", "B")}
        for process in self._processes.items():
            threading.Thread(target=self._listen, args=process, daemon=True).start()

    def _listen(self, name: str, process: subprocess.Popen[bytes]) -> None:
        for line in process.stdout or ():
            # Java speaks on the same stream.
            if line.startswith(b"{"):
                self._said.put((name, json.loads(line)))
        self._said.put((name, None))

    def hear(self, what: str) -> tuple[str, dict[str, Any]]:
        """Return who says `what` next, and all that comes with it; the last words of who was killed count too."""
        while True:
            try:
                name, line = self._said.get(timeout=SILENCE)
            except queue.Empty:
                raise SystemExit(f"no driver said anything for {SILENCE:.0f} s; see Spark's log") from None
            if name in self._processes and line is None:
                raise SystemExit(f"driver {name} ended; see Spark's log")
            if line is not None and what in line:
                return name, line

    def kill(self, name: str) -> None:
        """Kill one."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def end(self) -> None:
        """Let none run on."""
        for name in list(self._processes):
            self.kill(name)


def heard(drivers: Drivers) -> dict[int, int]:
    """Wait for the next batch, and return its number with its rows; a batch may come again from the heir."""
    _, line = drivers.hear("batch")
    return {line["batch"]: line["rows"]}


def put(inbox: Path, number: int) -> None:
    """Let a file of rows appear in the inbox, whole."""
    lines = "".join(f'{{"id": {row}}}\n' for row in range(number * ROWS, (number + 1) * ROWS))
    (inbox / f".{number}").write_text(lines)
    (inbox / f".{number}").rename(inbox / f"{number:03}.json")


def main() -> None:
    """Tell the story."""
    # For every Spark here, the drivers' too.
    os.environ["PYSPARK_SUBMIT_ARGS"] = "--master local[1] pyspark-shell"
    folder = Path(tempfile.mkdtemp(prefix="sparkeeper-standby-"))
    inbox, table, log = folder / "inbox", folder / "table", folder / "spark.log"
    inbox.mkdir()
    console.print("[bold]Sparkeeper: a streaming query with a hot standby[/]")
    say(f"[dim]Spark's own log: {log}[/]")
    with quiet(log), LocalServer() as server:
        drivers = Drivers(str(inbox), str(table), str(folder / "checkpoint"), server.connect_string)
        try:
            section(1, "Two drivers, one leads")
            with working("starting two Sparks"):
                leader, _ = drivers.hear("leads")
            say(f"{leader} leads, the other stands by")
            for number in range(FILES // 2):
                put(inbox, number)

            section(2, "The leader is killed")
            done = {}
            while LAST not in done:
                done |= heard(drivers)
            drivers.kill(leader)
            killed = time.monotonic()
            say(f"{leader} has committed batch {LAST}; whether its checkpoint knows, nobody can tell")
            for number in range(FILES // 2, FILES):
                put(inbox, number)

            section(3, "The other goes on")
            heir, _ = drivers.hear("leads")
            say(f"{heir} leads {time.monotonic() - killed:.1f} s later")
            # A leader that dies while it plans a batch leaves its heir a batch of two files.
            while sum(done.values()) < FILES * ROWS:
                done |= heard(drivers)
        finally:
            drivers.end()
        spark = small_spark("count")
        ids = [row.id for row in spark.read.parquet(str(table)).collect()]
        spark.stop()
    say(f"{len(ids):,} rows of {FILES * ROWS:,}, {len(ids) - len(set(ids))} of them twice")
    if sorted(ids) != list(range(FILES * ROWS)):
        raise SystemExit("rows are lost or there twice")
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["drive"]:
        drive(*sys.argv[2:])
    else:
        main()
