"""Assignments beside one `numpy.argsort`, in the same run: the targets of DESIGN §10, and how time grows with P and N.

`python benches/assign.py [--quick] [--plot growth.html]`; needs the `dev` extra and a release build.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from sparkeeper import assign
from sparkeeper._sparkeeper import AssignmentProblem
from sparkeeper.assign_inputs import Given
from sparkeeper.names import Names

if TYPE_CHECKING:
    from collections.abc import Callable

# Beyond these a kind takes seconds, and the line is straight by then.
WEIGHTED_MOST, CONSTRAINED_MOST = 100_000, 10_000
RANDOM = np.random.default_rng(17)


@dataclass(frozen=True)
class Case:
    """One line of the table."""

    title: str
    partitions: int
    members: int
    given: dict[str, Any]
    sorts: float


def best(run: Callable[[], object], rounds: int) -> float:
    """Time the median of some rounds, in seconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def argsort(count: int, rounds: int) -> float:
    """Time one argsort of so many random 64-bit integers."""
    numbers = RANDOM.integers(0, 2**62, count)
    return best(lambda: np.argsort(numbers), rounds)


def unweighted(partitions: int, members: int) -> dict[str, Any]:
    """Let a tenth of the members have gone since the last assignment."""
    names = pa.array(np.arange(partitions))
    before = assign(pa.array(np.arange(members // 10, members + members // 10)), names)
    return {"current": before}


def weighted(partitions: int) -> dict[str, Any]:
    """Draw weights as heavy-tailed as real keys are."""
    return {"weights": pa.array(np.minimum(RANDOM.pareto(1.5, partitions) * 1000 + 1, 1e6).astype(np.int64))}


def constrained(partitions: int, members: int) -> dict[str, Any]:
    """Let every partition go to twenty members of its own, one of which owns it now.

    Every third partition asks for a zone that a third of the members are in.
    """
    choices = min(20, members)
    eligible = [RANDOM.choice(members, choices, replace=False).tolist() for _ in range(partitions)]
    current = {partition: choice[0] for partition, choice in enumerate(eligible)}
    return {"eligible": eligible, "current": current, "zones": dict.fromkeys(range(0, partitions, 3), 1),
            "member_zones": [member % 3 for member in range(members)]}  # fmt: skip


def cases(*, quick: bool) -> list[Case]:
    """The three lines of the target, or a hundredth of each."""
    part = 100 if quick else 1
    many, some, few = 1_000_000 // part, 100_000 // part, 10_000 // part
    return [
        Case("unweighted", many, 10_000 // part, unweighted(many, 10_000 // part), 3),
        Case("weighted", some, 1_000 // part, weighted(some), 30),
        Case("constrained", few, 500 // part, constrained(few, 500 // part), 100),
    ]


def measure(case: Case, rounds: int) -> dict[str, Any]:
    """Time `assign` whole, and the core without the conversion of what Python gave."""
    names, members = pa.array(np.arange(case.partitions)), pa.array(np.arange(case.members))
    given = {name: getattr(value, "placed", value) for name, value in case.given.items()}
    problem = AssignmentProblem(**Given(**given).columns(Names(members, "member"), Names(names, "partition")))
    found = assign(members, names, **case.given)
    return {
        "what": case.title,
        "partitions": case.partitions,
        "members": case.members,
        "seconds": best(lambda: assign(members, names, **case.given), rounds),
        "core": best(lambda: problem.solve(arrow=True), rounds),
        "gap": found.certificate.gap,
        "extra": found.certificate.moves - found.certificate.moves_lower_bound,
    }


def growth(*, quick: bool) -> list[dict[str, Any]]:
    """Measure each kind over a range of sizes."""
    sizes = [1_000, 10_000] if quick else [1_000, 10_000, 100_000, 1_000_000]
    rows = []
    for partitions in sizes:
        for members in (10, 100, 1_000):
            rows.append(measure(Case("unweighted", partitions, members, unweighted(partitions, members), 0), 3))
            if partitions <= WEIGHTED_MOST:
                rows.append(measure(Case("weighted", partitions, members, weighted(partitions), 0), 3))
            if partitions <= CONSTRAINED_MOST:
                rows.append(measure(Case("constrained", partitions, members, constrained(partitions, members), 0), 3))
    return rows


def plot(rows: list[dict[str, Any]], path: str) -> None:
    """Draw time over P, a line for each N, on logarithmic axes with a mark at every power of ten."""
    import altair as alt  # noqa: PLC0415 - only the plot needs it

    def axis(column: str, title: str, unit: str) -> dict[str, Any]:
        powers = [math.log10(row[column]) for row in rows]
        marks = [10.0**power for power in range(math.floor(min(powers)), math.ceil(max(powers)) + 1)]
        scale = alt.Scale(type="log", domain=[marks[0], marks[-1]], nice=False)
        label = f"format(datum.value, '~s') + '{unit}'"
        return {
            "shorthand": f"{column}:Q",
            "scale": scale,
            "axis": alt.Axis(title=title, values=marks, labelExpr=label),
        }

    kinds = list(dict.fromkeys(row["what"] for row in rows))
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(point=True)
        .encode(
            x=alt.X(**axis("partitions", "partitions (P)", "")),
            y=alt.Y(**axis("core", "time in the core", "s")),
            color=alt.Color("members:O", title="members (N)", scale=alt.Scale(scheme="viridis")),
            column=alt.Column("what:N", title=None, sort=kinds),
        )
        .properties(width=220, height=220, title="Growth of an assignment with P and N")
    )
    chart.save(path)


def main() -> int:
    """Print both tables; fail when a target is missed by the stricter reading."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a hundredth of every size, for a look")
    parser.add_argument("--plot", metavar="PATH", help="where to write the growth, as .html")
    asked = parser.parse_args()
    rounds = 3 if asked.quick else 5
    missed = 0
    million = argsort(10_000 if asked.quick else 1_000_000, rounds)
    print(
        "| | P | N | seconds | core | argsorts of P | argsorts of the largest P | at most | gap | moves above bound | |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for case in cases(quick=asked.quick):
        row, sort = measure(case, rounds), argsort(case.partitions, rounds)
        met = row["seconds"] <= case.sorts * sort and row["gap"] <= 0.01  # noqa: PLR2004 - one per cent
        missed += not met
        print(
            f"| {case.title} | {case.partitions:,} | {case.members:,} | {row['seconds']:.4f} | {row['core']:.4f} "
            f"| {row['seconds'] / sort:.2f} (core {row['core'] / sort:.2f}) | {row['seconds'] / million:.2f} "
            f"| {case.sorts} | {row['gap']:.3%} | {row['extra']} | {'met' if met else 'missed'} |"
        )
    rows = growth(quick=asked.quick)
    print("\n| | P | N | seconds | core |\n|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['what']} | {row['partitions']:,} | {row['members']:,} | {row['seconds']:.5f} | {row['core']:.5f} |"
        )
    if asked.plot:
        plot(rows, asked.plot)
    # A hundredth of the sizes says whether it runs, not how fast it is.
    return 0 if asked.quick else min(missed, 1)


if __name__ == "__main__":
    sys.exit(main())
