"""`zk.multi()`: a batch of plain writes lands whole or not at all."""

import time

import pytest

import sparkeeper
from sparkeeper import exceptions
from waiting import wait_for
from wire import Op


@pytest.fixture
def tree(zk):
    """A few nodes to write to."""
    for path in ("a", "b", "c"):
        zk.create(path, path.encode())
    return zk


def state(zk):
    return {name: zk.get(name)[0] for name in zk.children("")}


START = {"a": b"a", "b": b"b", "c": b"c"}


def test_leaving_normally_lands_every_step_in_one_request(proxy, coordinator, tree):
    zk = coordinator(proxy.connect_string)
    zk.sync()
    with zk.multi() as batch:
        batch.check("a", version=0)
        batch.create("d", b"d")
        batch.create("d/deeper", b"of a step before it")
        batch.set("a", b"A", version=0)
        batch.set("a", b"AA", version=1)
        batch.delete("b")
        batch.create("e-", ephemeral=True, sequence=True)
        assert batch.results is None
        assert len(batch) == 7
        proxy.requests.clear()
    assert {code: count for code, count in proxy.requests.items() if code == Op.MULTI} == {Op.MULTI: 1}
    check, made, deeper, first, second, gone, numbered = batch.results
    assert (check, gone) == (None, None)
    assert (made, deeper) == ("/d", "/d/deeper")
    assert numbered.startswith("/e-0")
    assert (first.version, second.version) == (1, 2)
    assert first.czxid == tree.exists("a").czxid
    assert tree.exists(numbered).ephemeral_owner == zk.session_id
    assert {name: data for name, data in state(tree).items() if "-" not in name} == {"a": b"AA", "c": b"c", "d": b"d"}
    assert tree.exists("d").czxid == tree.exists("d/deeper").czxid, "one change of the tree"


def test_leaving_by_an_exception_lands_nothing_and_the_exception_goes_on(tree):
    batch = tree.multi()
    batch.set("a", b"A")
    with pytest.raises(ZeroDivisionError), batch:
        1 / 0  # noqa: B018
    assert state(tree) == START
    assert batch.results is None


@pytest.mark.parametrize(
    ("spoil", "kind", "text"),
    [
        (lambda batch: batch.check("b", version=7), exceptions.BadVersion, r"step 1 .*of 3.*check '.*/b'"),
        (lambda batch: batch.set("none", b""), exceptions.NoNode, r"step 1 .*of 3.*set '.*/none'"),
        (lambda batch: batch.delete("none"), exceptions.NoNode, r"step 1 .*of 3.*delete '.*/none'"),
        (lambda batch: batch.create("c"), exceptions.NodeExists, r"step 1 .*of 3.*create '.*/c'"),
        (lambda batch: batch.create("x/y"), exceptions.NoNode, r"step 1 .*of 3.*create '.*/x/y'"),
    ],
)
def test_one_refused_step_lands_nothing_and_is_named(tree, spoil, kind, text):
    batch = tree.multi()
    batch.set("a", b"A")
    spoil(batch)
    batch.delete("c")
    with pytest.raises(kind, match=text):
        batch.commit()
    assert state(tree) == START
    again = tree.multi()
    spoil(again)
    with pytest.raises(kind, match="nothing landed"), again:
        pass
    assert state(tree) == START


def test_an_empty_batch_asks_nobody(proxy, coordinator):
    zk = coordinator(proxy.connect_string)
    zk.sync()
    proxy.freeze()
    begun = time.monotonic()
    with zk.multi() as batch:
        pass
    assert batch.results == zk.multi().commit() == []
    assert time.monotonic() - begun < 0.5
    proxy.thaw()


def test_a_batch_of_more_than_1_mib_is_refused_at_once(proxy, coordinator, tree):
    zk = coordinator(proxy.connect_string)
    zk.sync()
    accepted = proxy.accepted
    proxy.requests.clear()
    begun = time.monotonic()
    batch = zk.multi()
    for path in ("a", "b", "c"):
        batch.set(path, bytes(400_000))
    with pytest.raises(exceptions.PayloadTooLarge, match="nothing was sent"), batch:
        pass
    assert time.monotonic() - begun < 1
    assert proxy.requests[Op.MULTI] == 0
    assert (zk.state, proxy.accepted) == ("CONNECTED", accepted)
    assert state(tree) == START
    with zk.multi() as batch:
        batch.set("a", bytes(400_000))
        batch.set("b", bytes(400_000))
    assert tree.exists("b").data_length == 400_000


def test_a_guard_that_stands_lets_it_land_and_a_lost_one_does_not(tree, coordinator):
    with tree.lock("l") as held, tree.multi(guard=held) as batch:
        batch.set("a", b"A")
    assert tree.get("a")[0] == b"A"
    assert batch.results[0].version == 1
    other = coordinator(session_timeout=1)
    held = other.lock("l").acquire()
    # Behind its back: the server knows before the holder does.
    (node,) = [name for name in tree.children("l") if "lock" in name]
    batch = other.multi(guard=held)
    batch.set("a", b"stale")
    tree.delete(f"l/{node}")
    with pytest.raises(exceptions.LockLost):
        batch.commit()
    assert tree.get("a")[0] == b"A"
    wait_for(lambda: held.state == "LOST", 60, "the holder to learn it")


def test_a_batch_lands_once(tree):
    with tree.multi() as batch:
        batch.set("a", b"A")
        (stat,) = batch.commit()
    assert (stat.version, tree.exists("a").version) == (1, 1)
    for call in (batch.commit, lambda: batch.set("a", b""), lambda: batch.check("a")):
        with pytest.raises(exceptions.Closed, match="landed"):
            call()
    assert "landed" in repr(batch)


def test_a_refused_batch_is_not_tried_again_on_leaving_and_may_be_by_hand(tree):
    with tree.multi() as batch:
        batch.create("parent/child")
        with pytest.raises(exceptions.NoNode):
            batch.commit()
    tree.create("parent")
    assert batch.commit() == ["/parent/child"]


def test_paths_and_rights_are_checked_when_they_are_given(tree):
    batch = tree.multi()
    for call in (batch.create, batch.delete, batch.check, lambda path: batch.set(path, b"")):
        with pytest.raises(exceptions.InvalidPath):
            call("a//b")
    with pytest.raises(exceptions.ConfigError, match="creator"):
        batch.create("d", acl="creator")
    assert len(batch) == 0


def test_a_lost_reply_is_a_lost_connection_and_the_batch_landed_whole(proxy, coordinator, tree):
    zk = coordinator(proxy.connect_string)
    zk.sync()
    dropped = proxy.drop_reply(Op.MULTI)
    batch = zk.multi()
    batch.set("a", b"A")
    batch.delete("b")
    with pytest.raises(exceptions.ConnectionLost, match="may have taken effect or not"):
        batch.commit()
    assert dropped.is_set()
    assert state(tree) == {"a": b"A", "c": b"c"}


def test_after_closing_it_says_so(coordinator):
    zk = coordinator()
    batch = zk.multi()
    batch.create("a")
    zk.close()
    with pytest.raises(exceptions.Closed):
        batch.commit()


async def test_under_asyncio(tree):
    async with tree.multi() as batch:
        batch.set("a", b"A")
        batch.create("d", b"d")
    assert [type(result) for result in batch.results] == [sparkeeper.Stat, str]
    batch = tree.multi()
    batch.delete("d")
    assert await batch.commit_async() == [None]
    for deleted, kind in (("d", exceptions.NoNode), ("a", ZeroDivisionError)):
        batch = tree.multi()
        batch.delete(deleted)
        with pytest.raises(kind):
            await _leave(batch, raising=kind is ZeroDivisionError)
    assert state(tree) == {**START, "a": b"A"}


async def _leave(batch, *, raising):
    async with batch:
        if raising:
            raise ZeroDivisionError


def test_a_batch_makes_a_namespace_that_was_never_used_and_no_other_parent(coordinator, namespace):
    zk = coordinator(namespace=f"{namespace}/fresh/deeper")
    with zk.multi() as batch:
        batch.create("a", b"data")
        batch.create("a/b")
    assert batch.results == ["/a", "/a/b"]
    assert zk.get("a")[0] == b"data"
    other = coordinator(namespace=f"{namespace}/other")
    batch = other.multi()
    batch.create("missing/a")
    with pytest.raises(exceptions.NoNode, match="step 0"):
        batch.commit()
    assert other.exists("missing") is None


def test_data_that_is_no_bytes_is_a_type_error_as_elsewhere(zk):
    zk.create("here")
    with zk.multi() as batch:
        for wrong in ([1, 2, 3], "text", 5):
            for call in (
                lambda wrong=wrong: zk.create("a", wrong),
                lambda wrong=wrong: batch.create("a", wrong),
                lambda wrong=wrong: batch.set("here", wrong),
            ):
                with pytest.raises(TypeError, match="data"):
                    call()
        assert len(batch) == 0
        batch.set("here", bytearray(b"data"))
    assert zk.get("here")[0] == b"data"
