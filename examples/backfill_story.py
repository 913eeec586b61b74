"""Three drivers share a backfill of a year of flights; one is killed in the middle, and nothing is lost or doubled.

The drivers are `backfill.py`, each a Spark of its own, as on three machines. Spark's own log goes to a file.
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
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyarrow import parquet
from rich.table import Table

import flights
import sparkeeper
from screen import console, quiet, say, section, working
from sparkeeper.local import LocalServer

if TYPE_CHECKING:
    from sparkeeper import GroupProgress

    Row = tuple[Any, ...]

BACKFILL = Path(__file__).with_name("backfill.py")
DRIVERS = ("A", "B", "C")
# Nobody is silent for so long, but for one that is stuck. Three Sparks start first: minutes on a busy machine.
SILENCE = 300.0
# Seconds between two halves of a month: slow enough to watch.
PAUSE = "0.4"


def main() -> None:
    """Tell the story."""
    folder = Path(tempfile.mkdtemp(prefix="sparkeeper-backfill-"))
    log = folder / "spark.log"
    console.print("[bold]Sparkeeper: one backfill, three drivers, one of them killed[/]")
    say(f"[dim]Spark's own log: {log}[/]")
    with quiet(log), LocalServer() as server:
        section(1, "A year of flights")
        with working("writing the flights as a table"):
            flights.frame().to_parquet(folder / "flights")
        source = rows(folder / "flights")
        say(f"{source.total():,} flights, to be copied month by month, each in two steps")
        drivers = Drivers(server.connect_string, folder)
        try:
            chapter_share(drivers)
            victim, month = chapter_kill(drivers)
            chapter_go_on(drivers, victim, month)
            with sparkeeper.connect(server.connect_string, namespace="backfill") as zk:
                progress = zk.partitions("flights-2013").progress()
            chapter_table(drivers, source, rows(folder / "out"), progress)
        finally:
            drivers.end()
    shutil.rmtree(folder, ignore_errors=True)


class Drivers:
    """The three processes, and what they say, in the order in which they say it."""

    def __init__(self, connect: str, folder: Path) -> None:
        """Start them."""
        self.names: dict[str, str] = {}
        self.killed_at = 0.0
        self._said: queue.SimpleQueue[tuple[str, dict[str, Any] | None]] = queue.SimpleQueue()
        arguments = [str(BACKFILL), str(folder / "out"), connect, str(folder / "flights"), PAUSE]
        # One core each; they find each other through ZooKeeper alone.
        place = {"PYSPARK_SUBMIT_ARGS": "--master local[1] pyspark-shell", "SPARK_LOCAL_IP": "127.0.0.1"}
        self._processes = {
            letter: subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, env={**os.environ, **place})
            for letter in DRIVERS
        }
        for said in self._processes.items():
            threading.Thread(target=self._listen, args=said, daemon=True).start()

    def _listen(self, letter: str, process: subprocess.Popen[bytes]) -> None:
        for line in process.stdout or ():
            # Java speaks on the same stream.
            if line.startswith(b"{"):
                self._said.put((letter, json.loads(line)))
        self._said.put((letter, None))

    def hear(self) -> tuple[str, dict[str, Any]]:
        """Return who says something next, and what; tell of a month that is half done, or done."""
        try:
            letter, line = self._said.get(timeout=SILENCE)
        except queue.Empty:
            raise SystemExit(f"no driver said anything for {SILENCE:.0f} s; see Spark's log") from None
        if letter not in self._processes:
            return self.hear()
        if line is None:
            raise SystemExit(f"driver {letter} ended; see Spark's log")
        if "joined" in line:
            self.names[line["joined"]] = letter
            say(f"{letter} joined as {line['joined']}")
        if "half" in line:
            say(f"[dim]{letter}: month {line['month']:>2}, {('first', 'second')[line['half'] - 1]} half[/]")
        return letter, line

    def kill(self, letter: str) -> None:
        """Kill one; what it said before is all that it says."""
        process = self._processes.pop(letter)
        process.kill()
        process.wait()
        self.killed_at = time.monotonic()

    def end(self) -> None:
        """Let none run on."""
        for process in self._processes.values():
            process.kill()
            process.wait()


def rows(path: Path) -> Counter[Row]:
    """Return how often each row is in a table."""
    return Counter(
        zip(*(column.to_pylist() for column in parquet.read_table(path, columns=flights.COLUMNS).columns), strict=True)
    )


def chapter_share(drivers: Drivers) -> None:
    """Let all of them join: the first begins alone, and gives away what it has not begun."""
    section(2, "Three drivers share it")
    while len(drivers.names) < len(DRIVERS):
        drivers.hear()


def chapter_kill(drivers: Drivers) -> tuple[str, int]:
    """Kill the driver that is next to be half way through a month."""
    section(3, "One is killed")
    while "half" not in (said := drivers.hear())[1] or said[1]["half"] == 2:  # noqa: PLR2004 - the second half
        pass
    letter, month = said[0], said[1]["month"]
    drivers.kill(letter)
    say(f"[red]{letter} gets SIGKILL, half way through month {month}[/]")
    return letter, month


def chapter_go_on(drivers: Drivers, victim: str, month: int) -> None:
    """See the others finish, the month of the dead one from its checkpoint."""
    section(4, "The others go on")
    finished = 0
    while finished < len(DRIVERS) - 1:
        letter, line = drivers.hear()
        if line.get("month") == month and letter != victim:
            say(
                f"[green]{letter} went on with month {month} from {victim}'s checkpoint, "
                f"{time.monotonic() - drivers.killed_at:.1f} s after its death[/]"
            )
        finished += "finished" in line


def chapter_table(drivers: Drivers, source: Counter[Row], found: Counter[Row], progress: GroupProgress) -> None:
    """Compare the copy with the source, and say whose work each month is."""
    section(5, "The copy")
    missing, doubled = ((one - other).total() for one, other in ((source, found), (found, source)))
    say(f"[green]{found.total():,} rows for {source.total():,} flights: {missing} missing, {doubled} twice[/]")
    table = Table(title="Who finished what", title_justify="left")
    for title in ("month", "driver", "flights", "began at"):
        table.add_column(title, justify="right" if title in ("month", "flights") else "left")
    for entry in progress:
        began = "its second half, from the checkpoint" if entry.result["resumed"] else "its start"
        table.add_row(str(entry.partition), drivers.names[entry.owner], f"{entry.result['rows']:,}", began)
    console.print()
    console.print(table)
    busy = {letter: sum(drivers.names[entry.owner] == letter for entry in progress) for letter in DRIVERS}
    say(", ".join(f"{letter} finished {months}" for letter, months in busy.items()) + f", of {len(progress)} months")


if __name__ == "__main__":
    main()
