"""Rights on everything we create: plain nodes, what recipes make, and the parents of both."""

import base64
import contextlib
import hashlib
import threading

import kazoo.client
import pytest

import sparkeeper
from sparkeeper import exceptions
from waiting import wait_for

AUTH = ("digest", "bob:secret")
BOB = "bob:" + base64.b64encode(hashlib.sha1(b"bob:secret").digest()).decode()  # noqa: S324 - the server's choice
EVE = "eve:" + base64.b64encode(hashlib.sha1(b"eve:secret").digest()).decode()  # noqa: S324
ALL = 31

# What is given to connect, and what the server then says of each node.
ACLS = {
    "creator": ("creator", {("digest", BOB, ALL)}),
    "read_open": ("read_open", {("world", "anyone", 1), ("digest", BOB, ALL)}),
    "open": ("open", {("world", "anyone", ALL)}),
    "explicit": (
        [("digest", BOB, "cdrwa"), ("digest", EVE, "rw"), ("world", "anyone", "r")],
        {("digest", BOB, ALL), ("digest", EVE, 3), ("world", "anyone", 1)},
    ),
    "explicit as text": (
        f"digest:{BOB}:rwcda,ip:10.0.0.0/8:r",
        {("digest", BOB, ALL), ("ip", "10.0.0.0/8", 1)},
    ),
    "explicit with the creator": ([("auth", "", "rwcda")], {("digest", BOB, ALL)}),
}


@pytest.fixture
def acls(connect_string, namespace):
    """Walks the test's tree: the rights on every node, as another client sees them."""
    peer = kazoo.client.KazooClient(connect_string, auth_data=[AUTH])
    peer.start(timeout=20)
    root = f"/{namespace}"

    def walk(path=root):
        found, _ = peer.get_acls(path)
        yield path.removeprefix(root), {(acl.id.scheme, acl.id.id, acl.perms) for acl in found}
        for child in peer.get_children(path):
            yield from walk(f"{path}/{child}")

    yield lambda: dict(walk())
    peer.stop()
    peer.close()


def plain(zk, _):
    zk.create("plain/deep/er", b"x")
    zk.create("plain/container/node", container=False)
    zk.create("plain/box", container=True)
    zk.create("plain/short", ttl=60)
    zk.create("plain/e-", ephemeral=True, sequence=True)


def multi(zk, _):
    with zk.multi() as batch:
        batch.create("batch")
        batch.create("batch/deep")


def lock(zk, stack):
    stack.enter_context(zk.lock("locks/deep/l"))


def semaphore(zk, stack):
    stack.enter_context(zk.semaphore("semaphores/deep/s", permits=3).acquire(2))


def election(zk, stack):
    term = stack.enter_context(zk.election("elections/deep/e").campaign(timeout=20))
    term.checkpoint({"at": 1})


def cache(zk, stack):
    zk.create("cached/deep")
    made = zk.cache("cached")
    stack.callback(made.close)
    assert "deep" in made


def queue(zk, _):
    items = zk.queue("queues/deep/q", max_attempts=1)
    items.put(b"waits", priority=3, dedupe="one")
    items.put(b"is claimed")
    items.get(timeout=20)
    items.put(b"comes later", delay=600)


def config(zk, _):
    cfg = zk.config("configs/deep/c")
    cfg.set({"a": 1})
    cfg.set({"a": 2})


USES = [plain, multi, lock, semaphore, election, cache, queue, config]


@pytest.mark.parametrize("case", ACLS)
def test_every_node_and_every_parent_has_the_rights_asked_for(coordinator, connect_string, acls, case):
    asked, expected = ACLS[case]
    # What is above the test's own corner is everybody's.
    with sparkeeper.connect(connect_string) as anybody, contextlib.suppress(exceptions.NodeExists):
        anybody.create("test")
    zk = coordinator(auth=AUTH, acl=asked)
    with contextlib.ExitStack() as stack:
        for use in USES:
            use(zk, stack)
        found = acls()
    assert len(found) > 2 * len(USES)
    for top in (
        "/plain/deep/er",
        "/batch/deep",
        "/locks/deep/l",
        "/semaphores/deep/s",
        "/elections/deep/e",
        "/queues/deep/q",
        "/configs/deep/c",
    ):
        assert top in found
    assert {path: rights for path, rights in found.items() if rights != expected} == {}


def test_a_table_and_a_plan_have_the_rights_asked_for(spark, tmp_path, coordinator, acls):
    coordinator().create("open")
    zk = coordinator(auth=AUTH, acl="creator")
    zk.write(spark.range(10)).format("parquet").mode("append").job_id("one").save(str(tmp_path / "table"))
    zk.partition_plan("plan", spark.range(10), by=["id"], partitions=2)
    found = {path: rights for path, rights in acls().items() if path not in {"", "/open"}}
    assert len(found) > 8
    assert {path for path, rights in found.items() if rights != {("digest", BOB, ALL)}} == set()


def test_who_may_only_read_cannot_stand_in_line_and_leaves_nothing(coordinator):
    mine = coordinator(auth=AUTH, acl="read_open")
    stranger = coordinator()
    with mine.lock("l") as held:
        assert [contender.token for contender in stranger.lock("l").contenders()] == [held.token]
        for call in (stranger.lock("l").acquire, stranger.lock("l").try_acquire):
            with pytest.raises(exceptions.NotAuthorized, match="check auth and acl"):
                call()
        assert len(mine.lock("l").contenders()) == 1
        with pytest.raises(exceptions.NotAuthorized), stranger.multi() as batch:
            batch.create("l/mine")


@pytest.mark.parametrize(
    ("recipe", "line", "length", "auth"),
    # The wait for a lock is that for whoever is right before, which has to be readable.
    [(lambda zk: zk.lock("r"), "r", 2, AUTH), (lambda zk: zk.semaphore("r", permits=1), "r/locks", 1, None)],
    ids=["lock", "semaphore"],
)
def test_who_may_not_read_whose_it_is_waits_all_the_same(coordinator, recipe, line, length, auth):
    anyone = coordinator()
    recipe(anyone).acquire().release()
    held = recipe(coordinator(auth=AUTH, acl="creator")).acquire()
    first = threading.Thread(target=lambda: recipe(coordinator(auth=auth)).acquire(timeout=60).release())
    first.start()
    wait_for(lambda: len(anyone.children(line)) == length, 60, "it to stand in line")
    # Long enough for both waits to be told of, which asks whose the holder's node is.
    with pytest.raises(exceptions.AcquireTimeout):
        recipe(anyone).acquire(timeout=4)
    assert first.is_alive()
    held.release()
    first.join(60)
    assert not first.is_alive()


def test_one_node_may_have_rights_of_its_own(coordinator, acls):
    zk = coordinator(auth=AUTH)
    zk.create("mine/deep", acl="creator")
    zk.create("ours", acl=[("world", "anyone", "r")], ttl=60)
    with zk.multi() as batch:
        batch.create("shown", acl="read_open")
        batch.create("open")
    found = acls()
    assert found["/mine/deep"] == ACLS["creator"][1]
    assert found["/mine"] == found["/open"] == ACLS["open"][1]
    assert found["/ours"] == {("world", "anyone", 1)}
    assert found["/shown"] == ACLS["read_open"][1]


async def test_one_node_may_have_rights_of_its_own_under_asyncio(coordinator, acls):
    await coordinator(auth=AUTH).create_async("mine", acl="creator")
    assert acls()["/mine"] == ACLS["creator"][1]


@pytest.mark.parametrize("acl", ["creator", "read_open", [("auth", "", "r")], "auth::rwcda"])
def test_rights_of_a_creator_who_is_nobody_are_refused_before_anybody_is_asked(connect_string, acl):
    with pytest.raises(exceptions.ConfigError, match=r"without an identity that is nobody; give auth="):
        sparkeeper.connect("nowhere.invalid:1", acl=acl)
    with sparkeeper.connect(connect_string) as zk, pytest.raises(exceptions.ConfigError, match="nobody"):
        zk.create("a", acl=acl)


@pytest.mark.parametrize(
    ("acl", "text"),
    [
        ("everybody", "acl 'everybody': use"),
        ([], "empty"),
        ([("world", "anyone", "x")], "letters of"),
        ([("world", "anyone", "")], "letters of"),
        ([("", "anyone", "r")], "scheme, id, permissions"),
        ([("digest", "bob:hunter2", "r")], "no hash"),
        ("digest:bob:hunter2:rwcda", "no hash"),
        ("world:anyone", "scheme:id:permissions"),
    ],
)
def test_rights_that_cannot_be_are_refused_and_no_password_is_shown(connect_string, acl, text):
    with pytest.raises(exceptions.ConfigError, match=text) as refused:
        sparkeeper.connect(connect_string, acl=acl)
    assert "hunter2" not in str(refused.value)


def test_rights_that_the_server_does_not_know_are_refused_by_it(coordinator):
    zk = coordinator(acl=[("nonsense", "bob", "r"), ("world", "anyone", "r")])
    for call in (lambda: zk.create("a"), lambda: zk.lock("l").acquire(timeout=20)):
        with pytest.raises(exceptions.ConfigError, match="refused the ACL"):
            call()


@pytest.mark.parametrize("given", [5, ["open"], [("world", "anyone")]])
def test_an_acl_of_no_known_form_says_what_to_give(zk, given):
    with pytest.raises(TypeError, match=r'^acl: give "open", "read_open", "creator" or a list of \(scheme, id, perm'):
        zk.create("made", acl=given)
