"""How evenly things are divided: partitions among members before and after a change, rows by plan beside plain hash."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from itertools import takewhile
from typing import TYPE_CHECKING

from sparkeeper._sparkeeper import Certificate
from sparkeeper.exceptions import ConfigError
from sparkeeper.node_json import Json, named, number, parsed, several, text, whole

if TYPE_CHECKING:
    from sparkeeper.survey import Gathering, Nodes

_BARS = 64
_PROVEN = ("max_load", "lower_bound", "gap", "moves", "moves_lower_bound")


class Assignments:
    """The newest assignment of each group that divides partitions, and the one before it, once that was seen."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._known: dict[str, tuple[Json | None, Json]] = {}

    def see(self, path: str, data: bytes | None) -> None:
        """Take what a leader published at a group's `assignment`; None where that was deleted."""
        found = parsed(data or b"")
        if not (isinstance(found.get("owners"), dict) and isinstance(found.get("generation"), int)):
            self._known.pop(path, None)
            return
        _, last = self._known.get(path, (None, None))
        if last is None or last["generation"] != found["generation"]:
            self._known[path] = (last, found)

    def of(self, group: Gathering, nodes: Nodes) -> Json | None:
        """Return how a group is divided, member by member; None while nothing was published."""
        if group.path not in self._known:
            return None
        before, now = self._known[group.path]
        spec = parsed(nodes[f"{group.path}/spec"][0])
        pairs = zip(several(spec.get("items")), several(spec.get("weights")), strict=False)
        weights = {_key(item): weight for item, weight in pairs if number(weight) is not None}
        loads, old = _loads(now, weights), _loads(before, weights) if before else None
        claimed = {member.name: member.owns for member in group.members}
        capacities = _capacities(now)
        return {
            "measure": "weight" if weights else "items",
            "generation": now["generation"],
            "before": before and before["generation"],
            "unowned": text(now.get("unowned")),
            "absent": [text(name) for name in several(now.get("absent"))],
            "certificate": (proven := _certificate(now)) and {name: getattr(proven, name) for name in _PROVEN},
            "members": [
                {
                    "name": name,
                    "before": None if old is None else old[name],
                    "now": loads[name],
                    "claimed": claimed.get(name),
                    "capacity": capacities.get(name),
                }
                for name in sorted(loads.keys() | (old or {}).keys() | claimed.keys())
            ],
        }


class Plans:
    """The newest version of each partition plan; each is read once."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._read: dict[str, Json | None] = {}

    def of(self, nodes: Nodes) -> list[Json]:
        """Return what the plans below `plans` achieve, by name; a plan that is being written is left out."""
        found = {}
        for path in nodes:
            if path.startswith("plans/") and path.count("/") == 1 and (entry := _newest(nodes[path][0])):
                known = self._read.get(entry["sha256"]) or _plan(path, entry, nodes)
                found[entry["sha256"]] = known and {**known, "name": path.removeprefix("plans/")}
        self._read = found
        return sorted((plan for plan in found.values() if plan), key=lambda plan: plan["name"])


def _loads(assignment: Json, weights: dict[str, int]) -> Counter[str]:
    loads: Counter[str] = Counter(dict.fromkeys(named(assignment.get("members")), 0))
    for member, items in assignment["owners"].items():
        loads[member] += sum(weights.get(_key(item), 1) for item in several(items))
    return loads


def _certificate(found: Json) -> Certificate | None:
    try:
        return Certificate.from_json(json.dumps(found.get("certificate")))
    except (ConfigError, RecursionError, ValueError):
        return None


def _capacities(assignment: Json) -> Json:
    cards = named(assignment.get("members"))
    return {name: number(named(card).get("capacity")) for name, card in cards.items()}


def _key(item: object) -> str:
    try:
        return json.dumps(item)
    except RecursionError:
        return ""


def _newest(head: bytes) -> Json | None:
    entry = named(next(reversed(several(parsed(head).get("versions"))), None))
    return entry if text(entry.get("sha256")) and text(entry.get("node")) and whole(entry.get("pages")) else None


def _plan(path: str, entry: Json, nodes: Nodes) -> Json | None:
    names = (f"{path}/{entry['node']}-{page}" for page in range(entry["pages"]))
    data = b"".join(nodes[name][0] for name in takewhile(nodes.__contains__, names))
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        return None
    plan = parsed(data)
    certificate = _certificate(plan)
    if certificate is None:
        return None
    loads, beside = certificate.loads, several(plan.get("plain_loads"))
    plain = beside if len(beside) == len(loads) and all(isinstance(load, int) for load in beside) else None
    fullest = sorted(range(len(loads)), key=lambda at: (-max(loads[at], plain[at] if plain else 0), at))[:_BARS]
    return {
        "version": whole(plan.get("version")),
        "weights": text(plan.get("weights")),
        "unit": text(plan.get("unit")),
        "columns": [text(named(column).get("by")) for column in several(plan.get("columns"))],
        "partitions": len(loads),
        "max_load": certificate.max_load,
        "lower_bound": certificate.lower_bound,
        "plain_max": max(plain) if plain else None,
        "created_by": text(plan.get("created_by")),
        "created_at": text(plan.get("created_at")),
        "bars": [{"partition": at, "before": plain[at] if plain else None, "now": loads[at]} for at in sorted(fullest)],
    }
