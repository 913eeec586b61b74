"""Charts in altair, an extra: balance, leadership over time, a table's history."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sparkeeper.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sparkeeper.spark.records import Version
    from sparkeeper.timeline import Reign


def altair(who: str) -> Any:  # noqa: ANN401 - a module
    """Return altair.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        return importlib.import_module("altair")
    except ImportError as error:
        raise ConfigError(f"{who} draws with altair, which is not installed: pip install 'sparkeeper[viz]'") from error


def balance(loads: Mapping[Any, float], title: str, who: str) -> Any:  # noqa: ANN401 - altair's own
    """Draw a bar for each member, and a line at the mean."""
    alt = altair(who)
    rows = [{"member": str(member), "load": load} for member, load in loads.items()]
    mean = [{"mean": sum(loads.values()) / len(loads) if loads else 0}]
    bars = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar()
        .encode(
            x=alt.X("member:N", title="member", sort=None),
            y=alt.Y("load:Q", title="load"),
            tooltip=["member:N", "load:Q"],
        )
    )
    rule = alt.Chart(alt.Data(values=mean)).mark_rule(strokeDash=[4, 4]).encode(y="mean:Q")
    return (bars + rule).properties(title=title)


def leadership(path: str, reigns: Sequence[Reign], until: int) -> Any:  # noqa: ANN401 - altair's own
    """Draw a bar for each term, a row for each leader."""
    alt = altair("Timeline.plot()")
    rows = [
        {"leader": one.leader, "from": one.since, "to": one.until or until, "token": str(one.token)}
        for one in reigns
        if one.leader is not None
    ]
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
        .properties(title=f"who led {path}", width=520)
    )


def history(path: str, versions: Sequence[Version]) -> Any:  # noqa: ANN401 - altair's own
    """Draw a table's bytes and files after each version, coloured by what the version did."""
    alt = altair("Table.plot()")
    rows = [
        {"version": one.version, "bytes": one.bytes, "files": one.files, "operation": one.operation, "job": one.job_id}
        for one in versions
    ]

    def side(measure: str) -> Any:  # noqa: ANN401 - altair's own
        return (
            alt.Chart(alt.Data(values=rows))
            .mark_bar()
            .encode(
                x=alt.X("version:O", title="version", axis=alt.Axis(labelAngle=0)),
                y=alt.Y(f"{measure}:Q", title=measure),
                color=alt.Color("operation:N", title=None),
                tooltip=["version:O", "operation:N", "job:N", "files:Q", "bytes:Q"],
            )
            .properties(width=260, height=160)
        )

    return alt.hconcat(side("bytes"), side("files")).properties(title=path)
