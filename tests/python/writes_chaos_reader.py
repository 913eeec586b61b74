"""A reader without Sparkeeper: it looks at tables in a loop and writes down what it saw.

`spark` is plain `spark.read.parquet`. `files` follows the same rules with pyarrow, many times a second: where there is
a `_spark_metadata` what it lists is the table, else what the directory holds. A look that shows what the one before
showed is only counted. Rows are numbers, and which job wrote one is its number divided by the rows of a job.
"""

from __future__ import annotations

import collections
import hashlib
import json
import pathlib
import sys
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MIRROR = "_spark_metadata"


def checksum(ids: Iterable[int]) -> str:
    """Return what two equal bags of rows have in common."""
    return hashlib.sha256(repr(sorted(ids)).encode()).hexdigest()[:16]


def ids_in(path: pathlib.Path) -> list[int]:
    """Read a table as plain Spark does, without Spark."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - whoever only wants checksums does without

    names = listed(path) if (path / MIRROR).is_dir() else found(path)
    if not names:
        raise ValueError(f"{path}: unable to infer schema, no file is there")
    # One by one: a file that is not whole is an error of this look.
    return [row for name in names for row in pq.ParquetFile(name).read(["id"])["id"].to_pylist()]


def listed(path: pathlib.Path) -> list[pathlib.Path]:
    """Return the files that the log names: its last full list, and the entries after it."""
    ids = [entry.name for entry in (path / MIRROR).iterdir() if entry.name[0] != "."]
    whole = sorted(int(name.removesuffix(".compact")) for name in ids if name.endswith(".compact"))
    newest = max(int(name.removesuffix(".compact")) for name in ids)
    # By number, as Spark does: a listing may show an entry and miss the one before.
    first = newest - (newest + 1) % (whole[-1] - whole[-2])
    names = []
    for at in range(first, newest + 1):
        entry = path / MIRROR / (f"{at}.compact" if at == first else str(at))
        version, *lines = entry.read_text().splitlines()
        if version != "v1":
            raise ValueError(f"{entry}: starts with {version!r}")
        names += [pathlib.Path(unquote(urlsplit(json.loads(line)["path"]).path)) for line in lines]
    return names


def found(path: pathlib.Path) -> list[pathlib.Path]:
    """Return the files that a listing shows."""
    return [entry for entry in path.iterdir() if entry.is_file() and entry.name[0] not in "._"]


def through_spark() -> Callable[[pathlib.Path], list[int]]:
    """Return how plain Spark reads."""
    from pyspark.sql import SparkSession  # noqa: PLC0415 - the other kind does without

    builder = SparkSession.builder.master("local[1]").config("spark.sql.shuffle.partitions", "1")
    quiet = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.log.level": "ERROR"}
    spark = builder.config(map=quiet).getOrCreate()
    return lambda path: [row.id for row in spark.read.parquet(str(path)).select("id").collect()]


def look(read: Callable[[pathlib.Path], list[int]], path: pathlib.Path, rows: int) -> dict[str, Any]:
    """Read once; `jobs` says how many rows of each job were there, and how many different ones."""
    try:
        ids = read(path)
    except Exception as error:  # noqa: BLE001 - whatever a reader meets is what is asked
        return {"error": f"{type(error).__name__}: {error}"}
    counts = collections.Counter(row // rows for row in ids)
    different = collections.Counter(row // rows for row in set(ids))
    return {"sum": checksum(ids), "jobs": {str(job): [counts[job], different[job]] for job in counts}}


def main() -> None:
    """Look until the input ends, then once more."""
    kind, log, rows, *tables = sys.argv[1:]
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    read = through_spark() if kind == "spark" else ids_in
    shown: dict[str, dict[str, Any]] = {}
    with pathlib.Path(log).open("w", buffering=1) as out:
        last = False
        while not last:
            last = over.is_set()
            for table in tables:
                began = time.monotonic()
                seen = look(read, pathlib.Path(table), int(rows))
                before = shown.get(table)
                if before is not None and before["seen"] == seen:
                    before.update(until=began, looks=before["looks"] + 1)
                else:
                    if before is not None:
                        out.write(json.dumps(before) + "\n")
                    # Every look that began up to `until` showed the same.
                    times = {"began": began, "until": began, "ended": time.monotonic()}
                    shown[table] = {"table": pathlib.Path(table).name, **times, "looks": 1, "seen": seen}
                over.wait(0.02)
        out.writelines(json.dumps(seen) + "\n" for seen in shown.values())


if __name__ == "__main__":
    main()
