"""What a handle says of itself: where it is, how it stands and who has it, as far as this process knows."""

import contextlib

from recipes import Recipes

_FRESH = {
    "lock": "not held by this thread",
    "sides": "not held here",
    "several": "not held by this thread",
    "semaphore": "0 held through this handle",
    "election": "not leading",
    "barrier": "not looked at yet",
    "double_barrier": "this thread is not inside",
    "counter": "not read here yet",
    "queue": "not used yet",
    "cache": "not read yet",
    "config": "not read yet",
    "registry": "no service asked for yet",
    "group": "not looked at yet",
    "partitions": "2 items, not looked at yet",
    "leaders": "OPEN, not looked at yet",
}

_USED = {
    "lock": "HELD owner='me'",
    "sides": "written here",
    "several": "HELD owner='me'",
    "semaphore": "2 held through this handle",
    "election": "leading (HELD, token=",
    "barrier": "last seen closed by 'me'",
    "double_barrier": "this thread is inside generation",
    "counter": "last seen at 1",
    "queue": "1 items at work here",
    "cache": "READY nodes=",
    "config": "last seen version 1 by 'me'",
    "registry": "last seen instances: 'nobody': 0, 'service': 1",
    "group": "of 1: 'me'",
    "partitions": "2 items, last seen: 0 of 2 done; me has ",
    "leaders": "OPEN, last seen leader: 'me'",
}


def _handles(zk):
    recipes = Recipes(zk)
    handles = {name: handle for name, handle in vars(recipes).items() if name not in ("zk", "timeout", "_uses")}
    return {"lock": zk.lock("recipes/lock"), "leaders": zk.election("recipes/election").observe(), **handles}


def _use(handles, stack):
    for name in ("lock", "several"):
        stack.enter_context(handles[name].acquire(10))
    stack.enter_context(handles["sides"].write().acquire(10))
    stack.enter_context(handles["semaphore"].acquire(2, 10))
    stack.enter_context(handles["election"].campaign(timeout=10))
    assert next(handles["leaders"]).id == "me"
    handles["barrier"].close()
    handles["double_barrier"].enter(10)
    handles["counter"].add(1)
    handles["queue"].put(b"x")
    stack.enter_context(handles["queue"].get(timeout=10))
    handles["cache"].wait_ready(10)
    handles["config"].set({"a": 1})
    stack.enter_context(handles["registry"].register("service", "host:1"))
    for service in ("service", "nobody"):
        handles["registry"].instances(service)
    stack.enter_context(handles["group"].join(id="me"))
    handles["group"].view()
    member = stack.enter_context(handles["partitions"].join("me"))
    next(member.claims())
    handles["partitions"].progress()


def _said(handles):
    return {name: repr(handle) for name, handle in handles.items()}


def test_every_handle_says_path_state_and_holder_without_the_network(proxy, coordinator):
    handles = _handles(coordinator(proxy.connect_string, owner="me", session_timeout=10))
    assert set(handles) == set(_FRESH) == set(_USED), "a recipe without its line here"
    with contextlib.ExitStack() as stack:
        for expected in (_FRESH, _USED):
            if expected is _USED:
                _use(handles, stack)
            # Whatever they asked a server would wait for ever.
            proxy.freeze()
            said = _said(handles)
            proxy.thaw()
            missing = {name: said[name] for name, words in expected.items() if words not in said[name]}
            assert not missing
            assert all("'recipes/" in text and text.startswith("<") for text in said.values()), said
    handles["barrier"].open()
    handles["leaders"].close()
    assert "last seen open" in repr(handles["barrier"])
    assert "CLOSED" in repr(handles["leaders"])


def test_a_wait_that_ended_is_known_too(coordinator, zk):
    barrier, config = zk.barrier("b"), zk.config("c", default=None)
    assert barrier.is_open()
    assert "last seen open" in repr(barrier)
    coordinator(owner="other").barrier("b").close()
    assert not barrier.is_open()
    assert "last seen closed by 'other'" in repr(barrier)
    assert config.value is None
    assert "last seen without a version" in repr(config)
