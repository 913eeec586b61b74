"""The figures of scale.py as tables and a drawing, and what an ensemble carries on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    Run = dict[str, Any]

SHARE = 0.6
"""Of one core: a server's requests pass through single threads, and a leader that is always full drops sessions."""
HEAP = 4 * 2**30
"""Bytes for live objects: half of a server with a heap of 8 GiB."""
EXECUTOR = 8
"""Sessions of one with four cores: a Python worker for each, and as many more where RDD tasks run beside SQL."""
TITLES = {
    "sessions": "Sessions, each taking a lock of its own",
    "caches": "Sessions that follow one subtree",
    "line": "Sessions in line for one lock",
    "tasks": "Tasks, done by four processes",
}

AXES = {"sessions": "sessions", "caches": "followers", "line": "in line", "tasks": "tasks"}


def number(value: float) -> str:
    """Write three significant digits."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 1000 else f"{rounded:g}"  # noqa: PLR2004 - where digits end


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a Markdown table."""
    columns = list(head)
    lines = [columns, ["---"] * len(columns), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def growth(runs: list[Run]) -> str:
    """Write a table for each load: a line for each size."""
    parts = []
    for load, title in TITLES.items():
        ours = [run for run in runs if run["load"] == load]
        kinds = [cost["what"] for cost in ours[0]["costs"]]
        head = [load, *ours[0]["figures"], *(f"server us a {kind}" for kind in kinds)]
        head += [f"server bytes a {kinds[0]}", "server live MB"]
        rows = [
            [
                f"{run['count']:,}",
                *map(number, run["figures"].values()),
                *(number(cost["leader"]) for cost in run["costs"]),
                number(run["costs"][0]["bytes"]),
                number(run["heap"]),
            ]
            for run in ours
        ]
        parts.append(f"\n{title}\n\n{table(head, rows)}")
    return "\n".join(parts)


def costs(by_size: dict[int, list[Run]]) -> str:
    """Write the processor time of one of each, by the size of the ensemble and the role."""
    kinds = [cost["what"] for run in by_size[1] for cost in run["costs"]]
    head = ["microseconds of", "one server"]
    head += [f"{role} of {size}" for size in sorted(by_size) if size > 1 for role in ("leader", "follower")]
    rows = []
    for kind in kinds:
        cells = [number(_cost(by_size[1], kind)["leader"])]
        for size in sorted(by_size):
            if size > 1:
                found = _cost(by_size[size], kind)
                cells += [number(found["leader"]), number(found["follower"])]
        rows.append([f"a {kind}", *cells])
    return f"\nA server's processor time\n\n{table(head, rows)}"


def sizing(by_size: dict[int, list[Run]], runs: list[Run]) -> str:
    """Write what a server and an ensemble carry, by the busiest of its servers."""
    rows = []
    for title, kind, each in (
        ("locks/s", "lock", 1),
        ("tasks/s", "task", 1),
        ("commits/s", "commit", 1),
        ("notices/s", "notice", 1),
        ("sessions that only stay alive", "second of a session", 1),
        ("executors of four cores, likewise", "second of a session", EXECUTOR),
    ):
        cells = []
        for size in sorted(by_size):
            found = _cost(by_size[size], kind)
            # A follower's cost is the mean of all: more of them share the clients.
            cells.append(number(SHARE * 1e6 / max(found["leader"], found.get("follower", 0.0)) / each))
        rows.append([title, *cells])
    largest = {run["load"]: run for run in runs}
    for title, load in (("sessions by memory", "sessions"), ("open tasks by memory", "tasks")):
        each = largest[load]["costs"][0]["bytes"]
        rows.append([title, *[number(HEAP / each)] * len(by_size)])
    head = ["on paper", *(f"{size} server{'s' * (size > 1)}" for size in sorted(by_size))]
    return (
        f"\n{SHARE:.0%} of one core of its busiest server, {HEAP / 2**30:g} GiB of live objects\n\n{table(head, rows)}"
    )


def _cost(runs: list[Run], kind: str) -> dict[str, float]:
    return next(cost for run in runs for cost in run["costs"] if cost["what"] == kind)


def plot(runs: list[Run], path: Path) -> None:
    """Draw rates, times and memory over sessions, watchers and tasks."""
    import altair as alt  # noqa: PLC0415 - only the plot needs it

    def panel(load: str, field: str | None) -> Any:  # noqa: ANN401 - altair's own
        ours = [run for run in runs if run["load"] == load]
        rows = [{"count": run["count"], "value": run["figures"][field] if field else run["heap"]} for run in ours]
        scale = alt.Scale(type="log") if load == "tasks" else alt.Scale(zero=True)
        return (
            alt.Chart(alt.Data(values=rows), title=field or "server, live MB")
            .mark_line(point=True)
            .encode(
                x=alt.X("count:Q", title=AXES[load], scale=scale),
                y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=True)),
            )
            .properties(width=230, height=140)
        )

    lines = (
        (("sessions", "locks/s"), ("sessions", "wait p99 ms"), ("sessions", None)),
        (("caches", "last to know, ms"), ("line", "hand-over p50 ms"), ("caches", None)),
        (("tasks", "submitted/s"), ("tasks", "tasks/s"), ("tasks", None)),
    )
    chart = alt.vconcat(*(alt.hconcat(*(panel(load, field) for load, field in line)) for line in lines))
    chart.save(str(path))
