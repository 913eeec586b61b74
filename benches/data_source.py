"""A tree of znodes read as a DataFrame, beside a walk by kazoo.

    python benches/data_source.py [--quick] [--json FILE]

The tree has 50,000 nodes: a root, 250 nodes below it and leaves below those, each with 100 bytes. Every side reads data
and stat of each node, and lists those that have children. kazoo walks twice: one request at a time, as a walk is
usually written, and with up to 256 of its asynchronous requests on their way, as ours has. Spark is warm, and its time
is that of the whole query: planning, tasks, and every row handed to a sink. The sides take turns within each round,
and ratios are taken round by round. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kazoo.version
from kazoo.client import KazooClient

import sparkeeper
from machine import Usage
from quiet_spark import session
from report import figure
from sparkeeper.local import LocalServer
from sparkeeper.spark.data_source_columns import schema
from sparkeeper.spark.data_source_options import READING, Options, ReadOptions
from sparkeeper.spark.data_source_read import TreeReader

if TYPE_CHECKING:
    from collections.abc import Callable

FULL = (50_000, 5)  # nodes, rounds
QUICK = (2_000, 1)
INNER = 250
ROOT = "/bench/tree"
IN_FLIGHT = 256
TARGET = 10
BUSY = 0.10
BUSY_NOTE = " The machine was busy with other work: do not quote these figures, repeat the run on an idle one."
QUICK_NOTE = " A quick run shows that everything works; its figures are not to be quoted."


def plant(connect: str, nodes: int) -> None:
    """Make the tree."""
    data = b"x" * 100
    with sparkeeper.connect(connect) as zk:
        zk.create(ROOT, data)
        names = [f"{ROOT}/{n:05}" for n in range(INNER)]
        names += [f"{ROOT}/{n % INNER:05}/{n:05}" for n in range(nodes - INNER - 1)]
        for start in range(0, len(names), 500):
            with zk.multi() as batch:
                for name in names[start : start + 500]:
                    batch.create(name, data)


def one_by_one(client: KazooClient) -> int:
    """Walk with kazoo, one request after the other."""
    found, waiting = [], [ROOT]
    while waiting:
        path = waiting.pop()
        data, stat = client.get(path)
        found.append((path, data, stat))
        if stat.numChildren:
            waiting += [f"{path}/{name}" for name in client.get_children(path)]
    return len(found)


def many_at_once(client: KazooClient) -> int:
    """Walk with kazoo, many requests on their way."""
    found: list[Any] = []
    waiting: list[tuple[str, str]] = [("get", ROOT)]
    asked: deque[tuple[str, str, Any]] = deque()
    while waiting or asked:
        while waiting and len(asked) < IN_FLIGHT:
            kind, path = waiting.pop()
            asked.append((kind, path, client.get_async(path) if kind == "get" else client.get_children_async(path)))
        kind, path, reply = asked.popleft()
        if kind == "list":
            waiting += [("get", f"{path}/{name}") for name in reply.get()]
            continue
        data, stat = reply.get()
        found.append((path, data, stat))
        if stat.numChildren:
            waiting.append(("list", path))
    return len(found)


def without_spark(connect: str) -> int:
    """Walk as the tasks do, in one process and one task."""
    options = ReadOptions.of(Options({"connect": connect, "path": ROOT, "partitions": "1"}, {}, READING))
    reader = TreeReader(options, schema())
    return sum(batch.num_rows for share in reader.partitions() for batch in reader.read(share))


def measure(sides: dict[str, Callable[[], int | None]], nodes: int, rounds: int) -> dict[str, list[float]]:
    """Let the sides take turns; the first round warms up."""
    took: dict[str, list[float]] = {side: [] for side in sides}
    for turn in range(rounds + 1):
        print(f"round {turn} of {rounds}" if turn else "warming up", file=sys.stderr, flush=True)
        for side, walk in sides.items():
            begun = time.perf_counter()
            rows = walk()
            seconds = time.perf_counter() - begun
            if rows not in (None, nodes):
                raise SystemExit(f"{side} read {rows} of {nodes} nodes")
            if turn:
                took[side].append(seconds)
    return took


def show(took: dict[str, list[float]], nodes: int) -> None:
    """Print the table."""
    print(
        f"\n| read of {nodes:,} znodes | s | nodes/s | a DataFrame is faster by | target | |\n|---|---|---|---|---|---|"
    )
    ours = took["DataFrame"]
    for side, seconds in took.items():
        ratios = [theirs / our for theirs, our in zip(seconds, ours, strict=True)]
        met = "met" if statistics.median(ratios) >= TARGET else "missed"
        aimed = side == "kazoo, one by one"
        cells = (
            side,
            figure(seconds, 2),
            figure([nodes / one for one in seconds]),
            figure(ratios, 1, "x") if side != "DataFrame" else "-",
            f"≥ {TARGET}x" if aimed else "-",
            met if aimed else "-",
        )
        print(f"| {' | '.join(cells)} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few nodes, one round")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    args = parser.parse_args()
    nodes, rounds = QUICK if args.quick else FULL
    with tempfile.TemporaryDirectory(prefix="sparkeeper-bench-") as folder, LocalServer() as server:
        plant(server.connect_string, nodes)
        spark = session(folder, "data-source", {"spark.zookeeper.connect": server.connect_string})
        sparkeeper.register(spark)
        client = KazooClient(server.connect_string, timeout=30.0)
        client.start(timeout=10.0)
        tree = spark.read.format("zookeeper").option("path", ROOT)
        if tree.load().count() != nodes:
            raise SystemExit("the DataFrame does not have every node")
        before = Usage.now()
        took = measure(
            {
                "DataFrame": lambda: tree.load().write.format("noop").mode("overwrite").save(),
                "our walk, without Spark": lambda: without_spark(server.connect_string),
                "kazoo, one by one": lambda: one_by_one(client),
                "kazoo, 256 at once": lambda: many_at_once(client),
            },
            nodes,
            rounds,
        )
        others = Usage.now().others_since(before)
        client.stop()
        client.close()
        version = spark.version
        spark.stop()
    show(took, nodes)
    print(
        f"\nMedian (lowest-highest) of {rounds} rounds, ratios round by round; PySpark {version}, kazoo "
        f"{kazoo.version.__version__}, 2 of {os.cpu_count()} cores, shared with the server. Other processes used "
        f"{others:.0%} of the machine." + (QUICK_NOTE if args.quick else "") + (BUSY_NOTE if others > BUSY else "")
    )
    if args.json:
        args.json.write_text(json.dumps({"nodes": nodes, "seconds": took, "others": others}, indent=2) + "\n")


if __name__ == "__main__":
    main()
