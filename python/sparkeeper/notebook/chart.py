"""Charts in altair, an extra: balance, leadership over time, a table's history."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sparkeeper.exceptions import ConfigError
from sparkeeper.notebook.shares import shares

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sparkeeper.spark.records import Version
    from sparkeeper.timeline import Reign

_NARROWEST = 240
_BAND = 24
_CLEAR = 14
"""Pixels from an axis' labels to its title: in a reader's font labels are wider than in altair's."""


def altair(who: str) -> Any:  # noqa: ANN401 - a module
    """Return altair.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        return importlib.import_module("altair")
    except ImportError as error:
        raise ConfigError(f"{who} draws with altair, which is not installed: pip install 'sparkeeper[viz]'") from error


def amount(alt: Any, field: str, title: str) -> Any:  # noqa: ANN401 - altair's own
    """The axis of a number."""
    return alt.Y(f"{field}:Q", title=title, axis=alt.Axis(titlePadding=_CLEAR))


def balance(loads: Mapping[Any, float], capacities: Mapping[Any, float], title: str, who: str) -> Any:  # noqa: ANN401 - altair's own
    """Draw a bar for each member, and a mark at its share; see `shares`."""
    alt = altair(who)
    if not any(loads.values()):
        return _empty(alt, "Nobody has any.", title)
    marks = shares(loads, capacities)
    rows = [{"member": str(member), "load": load} for member, load in loads.items()]
    member = alt.X("member:N", title="member", sort=None, axis=alt.Axis(titlePadding=_CLEAR))
    bars = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar()
        .encode(x=member, y=amount(alt, "load", "load"), tooltip=["member:N", "load:Q"])
    )
    if len(set(marks.values())) == 1:
        mean = [{"mean": sum(loads.values()) / len(loads)}]
        rule = alt.Chart(alt.Data(values=mean)).mark_rule(strokeDash=[4, 4]).encode(y="mean:Q")
    else:
        each = [{"member": str(member), "share": share} for member, share in marks.items()]
        tick = alt.Chart(alt.Data(values=each)).mark_tick(color="black", thickness=2, bandSize=_BAND)
        rule = tick.encode(x=member, y="share:Q")
    return (bars + rule).properties(title=title, width=max(_NARROWEST, _BAND * len(rows)))


def leadership(path: str, reigns: Sequence[Reign], until: int) -> Any:  # noqa: ANN401 - altair's own
    """Draw a bar for each term, a row for each leader."""
    alt = altair("Timeline.plot()")
    rows = [
        {"leader": one.leader, "from": one.since, "to": one.until or until, "token": str(one.token)}
        for one in reigns
        if one.leader is not None
    ]
    title = f"who led {path}"
    if not rows:
        return _empty(alt, "Nobody led so far.", title)
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_bar(height=14)
        .encode(
            x=alt.X("from:T", title=None, axis=alt.Axis(format="%H:%M:%S")),
            x2="to:T",
            y=alt.Y("leader:N", title=None, sort=None),
            color=alt.Color("leader:N", legend=None),
            tooltip=["leader:N", "token:N", alt.Tooltip("from:T", format="%X"), alt.Tooltip("to:T", format="%X")],
        )
        .properties(title=title, width=520)
    )


def history(path: str, versions: Sequence[Version]) -> Any:  # noqa: ANN401 - altair's own
    """Draw a table's bytes and files after each version, coloured by what the version did."""
    alt = altair("Table.plot()")
    rows = [
        {"version": one.version, "bytes": one.bytes, "files": one.files, "operation": one.operation, "job": one.job_id}
        for one in versions
    ]
    if not rows:
        return _empty(alt, "It has no version.", path)

    def side(measure: str) -> Any:  # noqa: ANN401 - altair's own
        return (
            alt.Chart(alt.Data(values=rows))
            .mark_bar()
            .encode(
                x=alt.X("version:O", title="version", axis=alt.Axis(labelAngle=0, labelOverlap=True, ticks=False)),
                y=amount(alt, measure, measure),
                color=alt.Color("operation:N", title=None),
                tooltip=["version:O", "operation:N", "job:N", "files:Q", "bytes:Q"],
            )
            .properties(width=260, height=160)
        )

    return alt.hconcat(side("bytes"), side("files")).properties(title=path)


def _empty(alt: Any, said: str, title: str) -> Any:  # noqa: ANN401 - altair's own
    text = alt.Chart(alt.Data(values=[{}])).mark_text(fontSize=14).encode(text=alt.value(said))
    return text.properties(title=title, width=_NARROWEST, height=60)
