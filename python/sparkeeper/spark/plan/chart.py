"""A plan as a picture: the load of every partition under Spark's own hash placement and as planned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparkeeper.notebook.chart import altair, amount

if TYPE_CHECKING:
    from sparkeeper.spark.plan.document import PlanDocument


def chart(plan: PlanDocument) -> Any:  # noqa: ANN401 - altair is optional
    """Bars for each partition, plain beside planned, and a line at the average.

    Raises:
        ConfigError: altair is not installed.
    """
    alt = altair("plan.plot()")
    sides = {"plain hash": plan.plain, "planned": plan.certificate.loads}
    unit = float(plan.unit)
    rows = [
        {"placement": side, "partition": partition, "load": load * unit}
        for side, loads in sides.items()
        if loads is not None
        for partition, load in enumerate(loads)
    ]
    mean = [{"mean": sum(plan.certificate.loads) * unit / plan.partitions}]
    measure = {"count": "rows", "bytes": "bytes"}.get(plan.weights, "weight")
    bars = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar()
        .encode(
            x=alt.X("partition:O", title="partition"),
            xOffset=alt.XOffset("placement:N", sort=list(sides)),
            y=amount(alt, "load", measure),
            color=alt.Color("placement:N", sort=list(sides), title=None),
            tooltip=["placement:N", "partition:O", "load:Q"],
        )
    )
    rule = alt.Chart(alt.Data(values=mean))
    rule = rule.mark_rule(strokeDash=[4, 4]).encode(y="mean:Q")
    return (bars + rule).properties(title=f"{plan.name}, version {plan.version}")
