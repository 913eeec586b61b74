"""What locks.py measures, and what DESIGN's performance section asks of each."""

from __future__ import annotations

from dataclasses import dataclass

RAW_WIDTH = 64


@dataclass(frozen=True)
class Scenario:
    """One row of the table.

    Attributes:
        title: The row's name.
        op: What the processes are asked for.
        unit: What is counted, per second.
        width: Threads, tasks or sessions.
        link: Whether it runs through the delayed link; then round trips are reported too.
        beside: The row whose figures of the peers stand here too; then only Sparkeeper is measured.
        curator: The wanted ratio to Curator; None where none was set.
        kazoo: The wanted ratio to kazoo; None where none was set.
        lacking: The libraries that have no such thing.
        round_trips: The wanted round trips per cycle.
        raw: Whether the same work is measured without a library too, right after this row.
    """

    title: str
    op: str
    unit: str
    width: int
    curator: float | None = None
    kazoo: float | None = None
    lacking: tuple[str, ...] = ()
    link: bool = False
    beside: str | None = None
    round_trips: float | None = None
    raw: bool = False

    def wanted(self, peer: str) -> float | None:
        """Look up the wanted ratio to a peer."""
        return {"curator": self.curator, "kazoo": self.kazoo}[peer]


def scenarios(delay: float) -> list[Scenario]:
    """List the rows; asyncio stands beside the peers' threads, because the peers have no asyncio."""
    rows = [
        Scenario("uncontended cycle, loopback", "cycle", "cycles", 1, curator=1.4, kazoo=3.5),
        Scenario(
            f"uncontended cycle, {delay * 1000:g} ms link", "cycle", "cycles", 1,
            curator=2.5, kazoo=4.0, link=True, round_trips=1.5,
        ),
    ]  # fmt: skip
    for width in (16, 64):
        threads = Scenario(
            f"{width} independent locks, threads", "parallel", "locks", width,
            curator=3.0, kazoo=8.0, raw=width == RAW_WIDTH,
        )  # fmt: skip
        tasks = Scenario(
            f"{width} independent locks, asyncio beside threads", "parallel_tasks", "locks", width,
            curator=3.0, kazoo=8.0, beside=threads.title,
        )  # fmt: skip
        rows += [threads, tasks]
    rows.append(Scenario("contended hand-off, 8 sessions", "handoff", "hand-offs", 8, curator=1.8, kazoo=5.0))
    rows += [
        Scenario("semaphore cycle", "semaphore", "cycles", 1),
        Scenario("counter add, 1 session", "add", "additions", 1),
        Scenario("counter add, 8 sessions", "add", "additions", 8),
        # Curator's queues keep no item until it is acknowledged: not the same work.
        Scenario("queue: put, get, acknowledge", "items", "items", 1, lacking=("curator",)),
        Scenario("election hand-over, 8 sessions", "lead", "hand-overs", 8),
    ]
    return rows
