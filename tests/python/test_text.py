"""Text that is not Unicode: Python lets half a character stand alone, as file names of unknown encoding do."""

import pytest

import sparkeeper
from sparkeeper import exceptions

_HALF = "a\udc80"

_CALLS = {
    "path": lambda zk: zk.create(_HALF),
    "recipe": lambda zk: zk.lock(_HALF),
    "paths": lambda zk: zk.multi_lock(["a", _HALF]),
    "batch": lambda zk: zk.multi().create(_HALF),
    "cache": lambda zk: zk.cache("c").get(_HALF),
    "config": lambda zk: zk.config(_HALF),
    "value": lambda zk: zk.config("c").set({"name": _HALF}),
    "owner": lambda zk: zk.lock("l", owner=_HALF),
    "coordinator": lambda _: sparkeeper.Coordinator("localhost:1", owner=_HALF),
    "candidate": lambda zk: zk.election("e", id=_HALF),
    "member": lambda zk: zk.group("g").join(id=_HALF),
    "instance": lambda zk: zk.registry("r").register("s", "host", id=_HALF),
    "service": lambda zk: zk.registry("r").discover(_HALF),
    "zone": lambda zk: zk.registry("r").register("s", "host", zone=_HALF),
    "dedupe": lambda zk: zk.queue("q").put(b"x", dedupe=_HALF),
    "partitions": lambda zk: zk.partitions(_HALF),
    "item": lambda zk: zk.partitions("p", items=[("a", _HALF)]),
    "zone of an item": lambda zk: zk.partitions("p", items=[1], zones=[_HALF]),
    "strategy": lambda zk: zk.partitions("p", strategy=_HALF),
    "id of a member": lambda zk: zk.partitions("p", items=[1]).join(_HALF),
    "zone of a member": lambda zk: zk.partitions("p", items=[1]).join(zone=_HALF),
    "another zone": lambda zk: zk.partitions("p", items=[1]).join().update(zone=_HALF),
    "reason": lambda zk: zk.lock("l").request_release(_HALF),
}


@pytest.mark.parametrize("call", _CALLS.values(), ids=_CALLS)
def test_half_a_character_is_refused_and_named(zk, call):
    with pytest.raises(exceptions.ConfigError, match=r"'[^']*a\\udc80[^']*'.*surrogate"):
        call(zk)


def test_what_is_no_text_is_a_type_error(zk):
    for wrong in (1, b"a", None):
        with pytest.raises(TypeError, match="path"):
            zk.lock(wrong)
