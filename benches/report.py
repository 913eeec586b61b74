"""The figures of a run as a Markdown table: medians with their range, ratios, targets."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scenarios import Scenario

HEADER = (
    "| | Sparkeeper | kazoo | Curator | to kazoo | to Curator | target | |",
    "|---|---|---|---|---|---|---|---|",
)
TITLES = {"sparkeeper": "Sparkeeper", "kazoo": "kazoo", "curator": "Curator"}


def figure(values: Sequence[float], digits: int | None = None, unit: str = "") -> str:
    """Write a median with its range; three significant digits unless told."""

    def write(value: float) -> str:
        return f"{value:.{digits}f}" if digits is not None else f"{float(f'{value:.3g}'):,g}"

    return f"{write(statistics.median(values))}{unit} ({write(min(values))}-{write(max(values))})"


def _share(value: float) -> str:
    """Write a share in percent, with a decimal where it would read as nothing."""
    return f"{value:.0%}" if value >= 0.01 else f"{value:.1%}"  # noqa: PLR2004 - one percent


def ratios(rates: dict[str, list[float]], peer: str) -> list[float]:
    """Divide ours by a peer's, round by round: the two of one round met the same machine."""
    return [ours / theirs for ours, theirs in zip(rates.get("sparkeeper", []), rates.get(peer, []), strict=False)]


def round_trips(rates: Sequence[float], rtts: Sequence[float]) -> list[float]:
    """Say how many round trips each cycle took."""
    return [1 / rate / rtt for rate, rtt in zip(rates, rtts, strict=True)]


def verdicts(scenario: Scenario, rates: dict[str, list[float]], rtts: Sequence[float]) -> list[str]:
    """List by how much each target is missed; empty when all are met."""
    missed = []
    if scenario.round_trips is not None and "sparkeeper" in rates:
        trips = statistics.median(round_trips(rates["sparkeeper"], rtts))
        if trips > scenario.round_trips:
            missed.append(f"round trips by {_share(trips / scenario.round_trips - 1)}")
    for peer in ("kazoo", "curator"):
        found, wanted = ratios(rates, peer), scenario.wanted(peer)
        if found and wanted is not None and statistics.median(found) < wanted:
            missed.append(f"{TITLES[peer]} by {_share(1 - statistics.median(found) / wanted)}")
    return missed


def row(scenario: Scenario, rates: dict[str, list[float]], rtts: Sequence[float]) -> str:
    """Write one scenario's line; where the link is delayed, a second figure says the round trips per cycle."""
    cells = [f"{scenario.title}, {scenario.unit}/s"]
    for peer in TITLES:
        cell = figure(rates[peer]) if peer in rates else "-"
        if scenario.link and peer in rates:
            cell += f"; {figure(round_trips(rates[peer], rtts), 2)} round trips"
        cells.append(cell)
    for peer in ("kazoo", "curator"):
        found = ratios(rates, peer)
        cells.append(figure(found, 2, "x") if found else "-")
    wanted = [f"≤ {scenario.round_trips:g} round trips"] if scenario.round_trips is not None else []
    for peer, title in (("kazoo", "kazoo"), ("curator", "Curator")):
        ratio = scenario.wanted(peer)
        if ratio is not None:
            wanted.append(f"≥ {ratio:g}x {title}")
    cells.append(", ".join(wanted) or "-")
    missed = verdicts(scenario, rates, rtts)
    measured = "sparkeeper" in rates and len(rates) > 1 and bool(wanted)
    cells.append("-" if not measured else "missed: " + ", ".join(missed) if missed else "met")
    return "| " + " | ".join(cells) + " |"
