"""Nodes that anybody may have written, where a recipe of ours would keep its own, end no screen and no page."""

from __future__ import annotations

import hashlib
import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from sparkeeper import assign
from sparkeeper.survey import survey
from sparkeeper.ui.balance import Assignments, Plans
from sparkeeper.ui.history import Histories
from sparkeeper.ui.spans import Spans
from sparkeeper.ui.state import Link, Past, document

CERTIFICATE = json.loads(assign(["a", "b"], ["x", "y", "z"]).certificate.to_json())
PLAN = {
    "version": 1,
    "weights": "rows",
    "unit": "1",
    "columns": [{"by": "k"}],
    "plain_loads": [2, 1],
    "certificate": CERTIFICATE,
    "created_by": "me",
    "created_at": "now",
}
PAGE = json.dumps(PLAN).encode()
WELL = {
    "l/x-lock-0000000001": "me",
    "leases/x-lock-0000000001": "me",
    "locks/x-lock-0000000001": "me",
    "s/leases/x-lease-0000000001": "me",
    "s/locks/x-lock-0000000001": "me",
    "g/spec": {"items": ["x", 1, None], "weights": [1, 2, 3]},
    "g/assignment": {
        "owners": {"a": ["x"], "b": [1, None]},
        "generation": 1,
        "members": {"a": {}, "b": {}},
        "absent": ["c"],
        "unowned": "none",
        "certificate": CERTIFICATE,
    },
    "g/claims/0": {"member": "a"},
    "g/members/a": {},
    "q/items/0/1": {},
    "q/claims/0/1": {"owner": "me"},
    "q/claims/0/2": {"owner": "you"},
    "q/workers/0": {"name": "w"},
    "services/one": {"address": "here", "weight": 1},
    "plans/p": {"versions": [{"sha256": hashlib.sha256(PAGE).hexdigest(), "node": "v1", "pages": 1}]},
    "plans/p/v1-0": PLAN,
    "tables/x": {"uri": "file:///nowhere"},
    "tables/x/head": {"v": 1, "files": 2, "bytes": 3, "manifest": "m"},
    "tables/x/floor": "1",
    "tables/x/jobs/0/j": {"version": 1, "files": 2, "bytes": 3},
}
DEEP = b"[" * 3000
NESTED = b'{"items":' * 900 + b"0" + b"}" * 900
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def said(draw: st.DrawFn, good: Any) -> bytes:
    """Draw what is good, what is good but for one of its parts, and what is no good at all."""
    if isinstance(good, str):
        return draw(st.sampled_from([good.encode(), b"", b"\xff", b"__REVOKE__", DEEP]) | st.binary(max_size=9))
    if draw(st.booleans()):
        return draw(
            junk.map(lambda value: json.dumps(value).encode())
            | st.sampled_from([DEEP, b'{"a":' * 900 + b"0" + b"}" * 900])
        )
    good = json.loads(json.dumps(good))
    part: Any = good
    while draw(st.booleans()) and isinstance(part, dict | list) and part:
        key = draw(st.sampled_from(sorted(part) if isinstance(part, dict) else range(len(part))))
        if not isinstance(part[key], dict | list) or draw(st.booleans()):
            part[key] = draw(junk | st.just("1e999"))
            break
        part = part[key]
    return json.dumps(good).replace('"1e999"', "1e999").encode()


def tree(said: dict[str, bytes]) -> dict[str, Any]:
    """Return the nodes, those above them included."""
    above = {"/".join(parts[:upto]): b"" for path in said for parts in [path.split("/")] for upto in range(len(parts))}
    return {
        path: (data, SimpleNamespace(czxid=number, ctime=number, ephemeral_owner=number))
        for number, (path, data) in enumerate({**above, **said}.items(), 1)
    }


def shown(nodes: dict[str, Any]) -> dict[str, Any]:
    """Return the page's document, read as a browser does."""
    past = Past(Spans(), Assignments(), Plans(), Histories(lambda: None))
    past.spans.begin(survey(nodes).lines, 0)
    for path, (data, _) in nodes.items():
        if path.endswith("/assignment"):
            past.assignments.see(path.removesuffix("/assignment"), data)
    try:
        text = document(Link("here:1", "/", "CONNECTED", 0, 0, None), nodes, past)
    finally:
        past.histories.close()
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_what_is_well_is_shown_whole() -> None:
    found = shown(
        tree(
            {path: good.encode() if isinstance(good, str) else json.dumps(good).encode() for path, good in WELL.items()}
        )
    )
    assert {(line["path"], line["kind"]) for line in found["locks"]} == {
        ("l", "lock"),
        ("leases", "lock"),
        ("locks", "lock"),
        ("s", "semaphore"),
    }
    assert found["groups"][0]["assignment"]["certificate"]["max_load"] == 2
    assert found["groups"][0]["assignment"]["members"][1]["now"] == 5
    assert (found["plans"][0]["name"], found["plans"][0]["plain_max"]) == ("p", 2)
    assert found["work"][0]["workers"] == ["w"]
    assert found["tables"][0]["bytes"] == 3


@settings(max_examples=300, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(st.data())
def test_what_is_odd_is_left_out(data: st.DataObject) -> None:
    shown(tree({path: data.draw(said(good), path) for path, good in WELL.items()}))
