"""What kazoo's own tests ask of elections and caches, asked of ours through kazoo's shape."""

import threading

import pytest

from kazoo_shaped import Election
from kazoo_shaped_data import TreeCache
from waiting import wait_for


class Leader:
    """Takes part in an election, leads until the test says so, and then ends, well or not."""

    def __init__(self, election, name):
        self.election, self.name = election, name
        self.leads = self.failed = False
        self._exit, self._error = threading.Event(), None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            self.election.run(self._lead, "told")
        except ArithmeticError:
            self.failed = True

    def _lead(self, word):
        assert word == "told"
        self.leads = True
        self._exit.wait(60)
        self.leads = False
        if self._error:
            raise self._error

    def end(self, error=None):
        self._error = error
        self._exit.set()
        self._thread.join(60)
        assert not self._thread.is_alive()


def test_leaders_follow_each_other_and_who_cancels_never_leads(zk):
    everybody = {name: Leader(Election(zk, "e", name), name) for name in ("a", "b", "c")}
    election = Election(zk, "e")
    wait_for(lambda: len(election.contenders()) == 3, 60, "everybody to stand")
    first, second, third = (everybody[name] for name in election.contenders())
    wait_for(lambda: first.leads, 60, "the first in line to lead")
    second.election.cancel()
    first.end()
    wait_for(lambda: third.leads, 60, "the third to lead")
    assert not second.leads
    second.end()
    again = Leader(Election(zk, "e", first.name), first.name)
    wait_for(lambda: election.contenders() == [third.name, first.name], 60, "the first to stand again")
    # A leader that fails is followed like one that ends.
    third.end(ArithmeticError("on purpose"))
    assert third.failed
    wait_for(lambda: again.leads, 60, "the first to lead again")
    again.end()
    assert election.contenders() == []


def test_what_cannot_be_called_fails_and_stands_no_more(zk):
    election = Election(zk, "e")
    with pytest.raises(TypeError, match="callable"):
        election.run("not a callable")
    wait_for(lambda: election.contenders() == [], 60, "nobody to stand")


@pytest.fixture
def cache(zk):
    """A cache that was started on an empty node, and its events, one by one."""
    zk.create("tree")
    made = TreeCache(zk, "tree")
    made.events = []
    made.listen(lambda event: made.events.append((event.kind, event.path, event.data)))
    made.start()
    yield made
    made.close()


def test_a_cache_is_started_once(cache):
    with pytest.raises(RuntimeError):
        cache.start()


def test_children_that_come_change_and_go_are_told(zk, cache):
    zk.create("tree/child", b"1")
    seen(cache, 1)
    zk.set("tree/child", b"2")
    seen(cache, 2)
    zk.delete("tree/child")
    seen(cache, 3)
    assert [kind for kind, _, _ in cache.events] == ["CREATED", "CHANGED", "DELETED"]
    assert {path.strip("/") for _, path, _ in cache.events} == {"child"}
    assert [data for _, _, data in cache.events][:2] == [b"1", b"2"]


def seen(cache, count):
    wait_for(lambda: len(cache.events) >= count, 60, f"{count} events")


def test_a_subtree_is_told_from_the_top_down_and_back(zk, cache):
    zk.create("tree/foo/bar/baz", b"@")
    seen(cache, 3)
    assert [path.strip("/") for _, path, _ in cache.events] == ["foo", "foo/bar", "foo/bar/baz"]
    assert cache.get_data("foo/bar/baz") == b"@"
    assert cache.get_data("foo") == b""
    assert cache.get_children("") == {"foo"}
    assert cache.get_children("foo/bar/baz") == frozenset()
    zk.delete("tree/foo", recursive=True)
    seen(cache, 6)
    assert [path.strip("/") for _, path, _ in cache.events[3:]] == ["foo/bar/baz", "foo/bar", "foo"]
    assert {kind for kind, _, _ in cache.events[3:]} == {"DELETED"}


def test_what_is_not_there_is_nothing(cache):
    assert cache.get_data("not/there") is None
    assert cache.get_children("not/there") is None


def test_a_closed_cache_tells_nothing_more(zk, coordinator):
    zk.create("tree")
    cache, open_one = TreeCache(zk, "tree"), TreeCache(coordinator(), "tree")
    told, witness = [], []
    cache.listen(told.append)
    open_one.listen(witness.append)
    cache.start()
    open_one.start()
    cache.close()
    zk.create("tree/late")
    wait_for(lambda: witness, 60, "the other cache to be told")
    assert not told
    open_one.close()


def test_the_root_can_go_and_come_back(zk, cache):
    zk.delete("tree")
    seen(cache, 1)
    zk.create("tree", b"again")
    seen(cache, 2)
    assert [kind for kind, _, _ in cache.events] == ["DELETED", "CREATED"]
    assert cache.get_data("") == b"again"


def test_what_did_not_change_while_the_link_was_down_is_not_told_again(proxy, coordinator):
    far, near = coordinator(proxy.connect_string), coordinator()
    near.create("tree/foo", b"1")
    cache = TreeCache(far, "tree")
    told = []
    cache.listen(lambda event: told.append((event.kind, event.path.strip("/"))))
    cache.start()
    proxy.cut()
    wait_for(lambda: far.state == "SUSPENDED", 60, "the cut")
    near.create("tree/bar")
    proxy.heal()
    wait_for(lambda: told, 60, "the change to be told")
    assert told == [("CREATED", "bar")]
    assert cache.get_children("") == {"foo", "bar"}
    cache.close()
