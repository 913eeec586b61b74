"""One document of all that the page shows, as JSON."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from sparkeeper.survey import survey

if TYPE_CHECKING:
    from sparkeeper.survey import Gathering, Nodes
    from sparkeeper.ui.balance import Assignments, Plans
    from sparkeeper.ui.history import Histories
    from sparkeeper.ui.spans import Spans


@dataclasses.dataclass(frozen=True)
class Link:
    """How the page's server is connected."""

    ensemble: str
    namespace: str
    state: str
    """The coordinator's."""
    as_of: int
    """Up to when everything is known, in milliseconds since 1970 by this machine's clock."""
    began: int
    """When watching began."""
    trouble: str | None
    """Why the namespace cannot be read, where it cannot."""


@dataclasses.dataclass
class Past:
    """What became of the nodes while they were watched, and what is read of them only once."""

    spans: Spans
    assignments: Assignments
    plans: Plans
    histories: Histories


def document(link: Link, nodes: Nodes, past: Past) -> bytes:
    """Return the state of everything."""
    found = survey(nodes)
    # What a recipe is made of is not shown as another's.
    inner = ("tables/", *(f"{one.path}/" for one in found.work), *(f"{one.path}/" for one in found.gatherings))
    histories = past.histories.of(found.tables, nodes)

    def gathering(one: Gathering) -> dict[str, Any]:
        divided = past.assignments.of(one, nodes) if one.kind == "partitions" else None
        return {**dataclasses.asdict(one), "assignment": divided}

    return json.dumps(
        {
            "link": dataclasses.asdict(link),
            "locks": [dataclasses.asdict(line) for line in found.lines if line.kind != "election"],
            "elections": [dataclasses.asdict(line) for line in found.lines if line.kind == "election"],
            "lanes": [dataclasses.asdict(lane) for lane in past.spans.lanes if not lane.path.startswith(inner)],
            "groups": [gathering(one) for one in found.gatherings],
            "plans": past.plans.of(nodes),
            "work": [dataclasses.asdict(one) for one in found.work],
            "tables": [{**dataclasses.asdict(one), "history": histories[one.id]} for one in found.tables],
            "sessions": [dataclasses.asdict(one) for one in found.sessions],
        },
        ensure_ascii=False,
    ).encode(errors="replace")
