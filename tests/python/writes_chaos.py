"""Drivers killed and stopped while they write, and readers that look on; and what plain Spark makes of the same.

`python tests/python/writes_chaos.py --kills 200 --beside-plain` is the long run.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import sparkeeper
from drivers import spark_connect_server
from tables import leftovers
from waiting import wait_for
from writes_chaos_checker import Verdict, check_end, check_history, check_looks, check_versions, row_sets
from writes_chaos_run import ROWS, TABLES, Chaos, Reader

LINES = {
    "kills": "drivers killed",
    "stops": "drivers stopped and continued",
    "jobs": "jobs, all done in the end",
    "attempts": "attempts",
    "fenced": "attempts fenced",
    "conflicts": "attempts refused, for a conflict",
    "commits": "versions committed",
    "looks": "reads by plain readers",
    "snapshots": "different snapshots among them",
    "lost_rows": "rows lost",
    "doubled_rows": "rows there twice",
    "risen_rows": "rows back after an overwrite",
    "torn": "snapshots of a part of a job, or of one twice",
    "errors": "reads that failed",
    "back": "reads of something older than before",
    "stale": "reads older than an acknowledged version",
    "failures": "attempts that failed with an error",
    "orphans": "files left over",
    "faults": "faults found",
}


def run(connect: str, remote: str, *, kills: int, seed: int, plain: bool = False, slots: int = 6) -> dict[str, Any]:
    """Kill so many drivers, let every job be done, and check what readers saw.

    Args:
        connect: A ZooKeeper server.
        remote: A Spark Connect server.
        kills: How many.
        seed: For what is chosen at random; moments differ nevertheless.
        plain: Write as plain Spark does.
        slots: How many drivers at once.

    Returns:
        Numbers by the names in LINES, and what is wrong as text in `what`.
    """
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        sparkeeper.connect(connect, namespace=f"chaos/{uuid.uuid4().hex[:8]}", timeout=30) as zk,
        contextlib.closing(
            Chaos(zk, connect, remote, Path(folder), slots=slots, kills=kills, seed=seed, plain=plain)
        ) as chaos,
    ):
        paths = [chaos.path(table) for table in TABLES]
        readers = [Reader(kind, chaos.folder / f"{name}.log", paths) for name, kind in enumerate(["spark", "files"])]
        chaos.run()
        verdict = Verdict(faults=list(chaos.faults))
        orphans = [] if plain else [orphan for path in paths for orphan in _settle(chaos, path)]
        verdict.faults += [f"left over: {orphan}" for orphan in orphans]
        verdict.faults += [f"{job.name} was never done" for job in chaos.jobs if not job.acked < float("inf")]
        _check(chaos, [reader.looks() for reader in readers], verdict)
        if plain:
            orphans = [file for path in paths for file in path.rglob("_temporary/**/*") if file.is_file()]
    what = verdict.faults
    found: dict[str, Any] = {
        **dataclasses.asdict(verdict),
        **chaos.counts,
        "jobs": len(chaos.jobs),
        "moments": chaos.moments,
    }
    found |= {"orphans": len(orphans), "faults": len(what), "what": what, "seconds": round(time.monotonic() - began)}
    return {"seed": seed, **{name: found.pop(name, 0) for name in LINES}, **found}


def _settle(chaos: Chaos, path: Path) -> list[str]:
    """Recover until nothing is left over, and return what stays; killed drivers' jobs may be going on yet."""

    def settled() -> bool:
        chaos.ask("recover", path.name)
        return not leftovers(chaos.zk, path)

    with contextlib.suppress(AssertionError):
        wait_for(settled, 60, "recovery to leave nothing behind", interval=0.5)
    return leftovers(chaos.zk, path)


def _check(chaos: Chaos, seen: list[list[dict[str, Any]]], verdict: Verdict) -> None:
    for table in TABLES:
        jobs = [job for job in chaos.jobs if job.table == table]
        by_reader = [[look for look in looks if look["table"] == table] for looks in seen]
        for looks in by_reader:
            check_looks(jobs, looks, ROWS, verdict)
        end = by_reader[-1][-1]["seen"]
        check_end(jobs, end.get("jobs", {}), ROWS, verdict)
        if not chaos.plain:
            history = [tuple(entry) for entry in chaos.ask("history", table)["versions"]]
            check_history(history, jobs, verdict)
            named = {job.name: job for job in jobs}
            sums = row_sets([(how, named[name]) for how, name in history if name in named], ROWS)
            for looks in by_reader:
                check_versions(sums, jobs, looks, verdict)


def table(results: dict[str, dict[str, Any]]) -> str:
    """Return the results side by side."""
    lines = [f"{'':46}" + "".join(f"{name:>14}" for name in results)]
    for key, title in LINES.items():
        lines.append(f"{title:46}" + "".join(f"{found[key]:>14,}" for found in results.values()))
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run as asked, against servers of our own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--plain", action="store_true", help="plain Spark does the writing")
    how.add_argument("--beside-plain", action="store_true", help="plain Spark does the same afterwards")
    parser.add_argument("--json", type=Path, help="where to put the results")
    arguments = parser.parse_args()
    from sparkeeper.local import LocalServer  # noqa: PLC0415 - the test brings one of its own

    results: dict[str, dict[str, Any]] = {}
    for plain in [False, True] if arguments.beside_plain else [arguments.plain]:
        with tempfile.TemporaryDirectory() as folder, LocalServer() as server:
            connect = server.connect_string
            with spark_connect_server(connect, Path(folder, "server.log")) as remote:
                found = run(connect, remote, kills=arguments.kills, seed=arguments.seed, plain=plain)
        results["plain Spark" if plain else "Sparkeeper"] = found
        sys.stdout.write(table({"plain Spark" if plain else "Sparkeeper": found}))
        sys.stdout.writelines(f"  {fault}\n" for fault in found["what"][:20])
        if arguments.json is not None:
            arguments.json.parent.mkdir(parents=True, exist_ok=True)
            arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    if len(results) > 1:
        sys.stdout.write(f"\nseed {arguments.seed}\n{table(results)}")
    return 1 if any(found["faults"] for name, found in results.items() if name == "Sparkeeper") else 0


if __name__ == "__main__":
    sys.exit(main())
