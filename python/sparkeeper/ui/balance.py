"""How evenly things are divided: partitions among members before and after a change, rows by plan beside plain hash."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from sparkeeper._sparkeeper import Certificate
from sparkeeper.exceptions import ConfigError

if TYPE_CHECKING:
    from sparkeeper.survey import Gathering, Nodes

    Json = dict[str, Any]

_BARS = 64


class Assignments:
    """The newest assignment of each group that divides partitions, and the one before it, once that was seen."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._known: dict[str, tuple[Json | None, Json]] = {}

    def see(self, path: str, data: bytes | None) -> None:
        """Take what a leader published at a group's `assignment`; None where that was deleted."""
        found = parsed(data or b"")
        if not (isinstance(found.get("owners"), dict) and found.keys() >= {"generation", "members"}):
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
        weights = {_key(item): weight for item, weight in zip(spec["items"], spec.get("weights") or (), strict=False)}
        loads, old = _loads(now, weights), _loads(before, weights) if before else None
        claimed = {member.name: member.owns for member in group.members}
        return {
            "measure": "weight" if weights else "items",
            "generation": now["generation"],
            "before": before and before["generation"],
            "unowned": now.get("unowned"),
            "absent": now.get("absent", []),
            "certificate": now.get("certificate"),
            "members": [
                {
                    "name": name,
                    "before": None if old is None else old[name],
                    "now": loads[name],
                    "claimed": claimed.get(name),
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


def parsed(data: bytes) -> Json:
    """Return an object; what is none says nothing."""
    try:
        found = json.loads(data or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _loads(assignment: Json, weights: dict[str, int]) -> Counter[str]:
    loads: Counter[str] = Counter(dict.fromkeys(assignment.get("members", {}), 0))
    for member, items in assignment["owners"].items():
        loads[member] += sum(weights.get(_key(item), 1) for item in items)
    return loads


def _key(item: object) -> str:
    return json.dumps(item)


def _newest(head: bytes) -> Json | None:
    versions = parsed(head).get("versions")
    entry = versions[-1] if isinstance(versions, list) and versions else None
    whole = isinstance(entry, dict) and entry.keys() >= {"sha256", "node"} and isinstance(entry.get("pages"), int)
    return entry if whole else None


def _plan(path: str, entry: Json, nodes: Nodes) -> Json | None:
    pages = [nodes.get(f"{path}/{entry['node']}-{page}") for page in range(entry["pages"])]
    data = b"".join(page[0] for page in pages if page is not None)
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        return None
    plan = parsed(data)
    try:
        certificate = Certificate.from_json(json.dumps(plan["certificate"]))
    except (ConfigError, LookupError, ValueError):
        return None
    plain, loads = plan.get("plain_loads"), certificate.loads
    fullest = sorted(range(len(loads)), key=lambda at: (-max(loads[at], plain[at] if plain else 0), at))[:_BARS]
    return {
        "version": plan.get("version"),
        "weights": plan.get("weights"),
        "unit": plan.get("unit"),
        "columns": [column.get("by") for column in plan.get("columns", ())],
        "partitions": len(loads),
        "max_load": certificate.max_load,
        "lower_bound": certificate.lower_bound,
        "plain_max": max(plain) if plain else None,
        "created_by": plan.get("created_by"),
        "created_at": plan.get("created_at"),
        "bars": [{"partition": at, "before": plain[at] if plain else None, "now": loads[at]} for at in sorted(fullest)],
    }
