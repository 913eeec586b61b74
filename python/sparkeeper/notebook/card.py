"""A card: a title, a few facts, and a table, in HTML that takes the notebook's own colours, light or dark."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from sparkeeper.notebook.shares import shares

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LONGEST = 20
"""Rows of a table that are shown; the caption says how many there are."""

_WHOLE = 100_000


def card(kind: str, title: str, facts: Mapping[str, object], *tables: str) -> str:
    """Write a card; every text is escaped, facts that are None are left out."""
    shown = "".join(
        f"<dt style='opacity:.7;white-space:nowrap;width:auto'>{escape(name)}</dt>"
        f"<dd style='margin:0'>{escape(str(value))}</dd>"
        for name, value in facts.items()
        if value is not None
    )
    return (
        "<div style='border-left:3px solid #c2410c;padding:.2em .8em;margin:.3em 0'>"
        f"<div><b>{escape(kind)}</b> <code>{escape(title)}</code></div>"
        f"<dl style='display:grid;grid-template-columns:max-content 1fr;gap:.1em 1em;margin:.3em 0'>{shown}</dl>"
        f"{''.join(tables)}</div>"
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], none: str = "") -> str:
    """Write a table, or the sentence `none` where there are no rows."""
    rows = list(rows)
    if not rows:
        return f"<div style='opacity:.7'>{escape(none)}</div>" if none else ""
    head = "".join(f"<th style='text-align:left'>{escape(name)}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows[:LONGEST])
    more = len(rows) - LONGEST
    foot = f"<div style='opacity:.7'>and {more:,} more</div>" if more > 0 else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{foot}"


def bars(loads: Mapping[Any, float], capacities: Mapping[Any, float] | None = None) -> str:
    """Write a row for each load, with a bar and a mark at its share; see `shares`."""
    marks = shares(loads, capacities)
    most = max([*loads.values(), *marks.values(), 1e-9])
    dashed = "the mean" if len(set(marks.values())) <= 1 else "in proportion to capacity"
    rows = []
    for name, load in list(loads.items())[:LONGEST]:
        bar = (
            "<div style='position:relative;width:16em;height:.9em;background:rgba(128,128,128,.2)'>"
            f"<div style='width:{100 * load / most:.1f}%;height:100%;background:#c2410c'></div>"
            f"<div style='position:absolute;top:0;left:{100 * marks[name] / most:.1f}%;height:100%;"
            "border-left:2px dashed currentColor'></div></div>"
        )
        cells = f"<td style='text-align:left'>{escape(str(name))}</td><td>{number(load)}</td><td>{bar}</td>"
        rows.append(f"<tr>{cells}</tr>")
    more = len(loads) - LONGEST
    foot = f"<div style='opacity:.7'>and {more:,} more</div>" if more > 0 else ""
    return f"<table><tbody>{''.join(rows)}</tbody></table><div style='opacity:.7'>dashed: {dashed}</div>{foot}"


def _cell(value: object) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"<td style='text-align:right'>{number(value)}</td>"
    return f"<td style='text-align:left'>{escape('' if value is None else str(value))}</td>"


def number(value: float) -> str:
    """Write it with separators, and what is small with six digits."""
    return f"{value:,.6g}" if isinstance(value, float) and abs(value) < _WHOLE else f"{value:,.0f}"
