"""Which nodes a stream is of: those its checkpoint began with, and none that it may not read."""

from __future__ import annotations

import json

import pytest
from pyspark.errors import PySparkException

from sparkeeper import exceptions
from streams import PATIENCE, read_on, run_maker
from waiting import wait_for


@pytest.fixture
def stream(connect_string, namespace):
    """Makes the reader of one run of a query, as Spark does."""
    return run_maker(connect_string, namespace)


def test_a_checkpoint_goes_on_with_the_nodes_it_began_with(zk, stream, connect_string, namespace):
    for path in ("t/a/b", "u", "t/streams"):
        zk.create(path, b"1")
    usual = {"glob": "**", "depth": 2}
    run = stream(**usual)
    start = run.initialOffset()
    _, end = read_on(run, start)
    # As they come back from a checkpoint.
    end = json.loads(json.dumps(end))
    for given, said in [
        ({"path": "/u"}, "path is '/u' and was '/t'"),
        ({"glob": "*"}, r"glob is '\*' and was '\*\*'"),
        ({"depth": 1}, "depth is 1 and was 2"),
        ({"namespace": f"{namespace}/t"}, f"namespace is '/{namespace}/t' and was '/{namespace}'"),
        ({"connect": f"{connect_string}/x"}, f"namespace is '/x/{namespace}' and was '/{namespace}'"),
        ({"state": "t/streams"}, "state is '/t/streams' and was '/streams'"),
        ({"path": "/", "depth": 3}, "path is '/' and was '/t', depth is 3 and was 2"),
    ]:
        other = stream(**{**usual, **given})
        for read in (lambda: other.read(end), lambda: list(other.readBetweenOffsets(start, end))):  # noqa: B023 - called at once
            with pytest.raises(exceptions.ConfigError, match=f"{said}.*start the query with a new checkpoint"):
                read()
    with pytest.raises(exceptions.ConfigError, match=r"glob is not given and was '\*\*'"):
        stream(depth=2).read(end)
    same = {"path": "t/", "decode": "none", "connect": f"{connect_string}/{namespace}", "namespace": "", **usual}
    assert stream(**same).read(end)[1] is end


def test_a_checkpoint_that_does_not_say_what_it_is_of_says_so_from_then_on(zk, stream):
    zk.create("t/a", b"1")
    run = stream()
    _, end = read_on(run, run.initialOffset())
    old = {name: value for name, value in end.items() if name != "of"}
    batches, kept = stream().read(old)
    assert (list(batches), kept) == ([], end)
    zk.set("t/a", b"2")
    assert read_on(stream(), old)[1]["of"] == end["of"]
    with pytest.raises(exceptions.ConfigError, match="path is '/' and was '/t'"):
        stream("/").read(kept)


def test_a_node_that_may_not_be_read_is_an_error(zk, stream, coordinator):
    bob = coordinator(auth=("digest", "bob:pw"), acl="creator")
    zk.create("t/open/a", b"1")
    bob.create("t/closed/deep", b"2")
    run = stream()
    for _ in range(2):
        with pytest.raises(exceptions.NotAuthorized, match=r"follow '/t/closed': .*check auth and acl"):
            run.read(run.initialOffset())
    everything = stream(auth="digest:bob:pw")
    found, _ = read_on(everything, everything.initialOffset())
    assert [row[1] for row in found] == ["/t", "/t/open", "/t/open/a", "/t/closed", "/t/closed/deep"]
    for choice in ({"glob": "open/**"}, {"path": "/t/open"}, {"depth": 0}):
        some = stream(**choice)
        assert read_on(some, some.initialOffset())[0]
    below = stream(glob="*/deep")
    with pytest.raises(exceptions.NotAuthorized, match="follow '/t/closed'"):
        below.read(below.initialOffset())


def test_a_node_that_is_closed_later_is_an_error_and_told_once_it_may_be_read(zk, stream, coordinator, proxy):
    bob = coordinator(auth=("digest", "bob:pw"), acl="creator")
    zk.create("t/open", b"1")
    run = stream(connect=proxy.connect_string, **{"session.timeout": "3s"})
    _, end = read_on(run, run.initialOffset())
    proxy.cut()
    wait_for(lambda: run._follower._gap, PATIENCE, "the loss to be noticed")
    bob.create("t/closed", b"2")
    zk.set("t/open", b"2")
    proxy.heal()

    def refused():
        try:
            assert run.read(end)[1] is end
        except exceptions.NotAuthorized as error:
            return str(error)
        return None

    assert "follow '/t/closed'" in wait_for(refused, PATIENCE, "the comparison")
    with pytest.raises(exceptions.NotAuthorized, match="follow '/t/closed'"):
        stream(connect=proxy.connect_string).read(end)
    bob.delete("t/closed")
    zk.create("t/closed", b"3")
    found, end = read_on(stream(), end)
    assert [(row[0], row[1], row[3]) for row in found] == [("CHANGED", "/t/open", "2"), ("CREATED", "/t/closed", "3")]
    assert end["caught_up"]


def test_a_query_that_is_restarted_with_another_path_is_refused_and_tells_nothing(zk, registered, tmp_path):
    zk.create("t/a", b"1")
    zk.create("u/b", b"2")

    def run(path):
        frame = registered.readStream.format("zookeeper").load(path).select("event", "path")
        writer = frame.writeStream.format("parquet").option("checkpointLocation", str(tmp_path / "c"))
        writer.trigger(availableNow=True).start(str(tmp_path / "out")).awaitTermination(PATIENCE)
        return sorted(tuple(row) for row in registered.read.parquet(str(tmp_path / "out")).collect())

    told = run("/t")
    assert told == [("CREATED", "/t"), ("CREATED", "/t/a")]
    with pytest.raises(PySparkException, match=r"ConfigError.*path is '/u' and was '/t'.*new checkpoint"):
        run("/u")
    zk.create("t/b", b"3")
    assert run("/t") == [*told, ("CREATED", "/t/b")]
