"""Replies dropped on their way, and an ensemble that stays away: the commit or a typed refusal, never a second copy."""

from __future__ import annotations

import threading

import pytest

import sparkeeper
from proxy import Proxy
from sparkeeper.exceptions import CommitUnknown
from sparkeeper.spark.steps import Step
from tables import ids, leftovers, settle
from waiting import wait_for
from wire import Op


@pytest.fixture
def proxy(server):
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def through(proxy, namespace):
    with sparkeeper.connect(proxy.connect_string, namespace=namespace, session_timeout=4) as coordinator:
        yield coordinator


def drop(proxy, step, marker):
    """Return a callback that loses the reply to the next multi, sent after `step`, that has `marker` in it."""
    drops = []

    def on_step(reached):
        if reached is step:
            drops.append(proxy.drop_reply(lambda request: request.op == Op.MULTI and marker in request.body))

    return on_step, drops


# The requests to make the job's shard, to begin, and to commit.
REPLIES = [(Step.RECOVERED, b"/jobs/"), (Step.RECOVERED, b"ACTIVE"), (Step.PROPOSED, b"COMMITTED")]


@pytest.mark.parametrize(("step", "marker"), REPLIES)
def test_the_reply_is_dropped(spark, zk, through, proxy, tmp_path, *, step, marker):
    table = tmp_path / "t"
    zk.write(spark.range(100)).save(str(table))
    on_step, drops = drop(proxy, step, marker)
    commit = through.write(spark.range(100, 200)).job_id("j").on_step(on_step).save(str(table))
    assert drops[0].is_set()
    assert (commit.version, commit.replayed) == (2, False)
    assert ids(spark, table) == list(range(200))
    assert leftovers(zk, table) == []
    assert zk.write(spark.range(100, 200)).job_id("j").save(str(table)).replayed


def test_the_reply_to_the_registration_is_dropped(spark, zk, through, proxy, tmp_path):
    table = tmp_path / "t"
    dropped = proxy.drop_reply(lambda request: request.op == Op.MULTI and b"/head" in request.body)
    assert through.write(spark.range(100)).save(str(table)).version == 1
    assert dropped.is_set()
    assert len(zk.children("tables")) == 1


def test_the_reply_to_an_abort_is_dropped(spark, zk, through, proxy, tmp_path):
    table = tmp_path / "t"
    zk.write(spark.range(100)).save(str(table))
    drops = []

    def fail(step):
        if step is Step.PROPOSED:
            drops.append(proxy.drop_reply(lambda request: b"ABORTED" in request.body))
            raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        through.write(spark.range(100, 200)).on_step(fail).save(str(table))
    assert drops[0].is_set()
    assert ids(spark, table) == list(range(100))
    assert leftovers(zk, table) == []


@pytest.mark.parametrize("landed", [True, False])
def test_the_ensemble_stays_away_during_the_commit(spark, zk, proxy, namespace, tmp_path, *, landed):
    table = tmp_path / "t"
    zk.write(spark.range(100)).save(str(table))

    def part(step):
        if step is Step.PROPOSED and landed:
            proxy.drop_reply(lambda request: request.op == Op.MULTI and b"COMMITTED" in request.body, stay_down=True)
        elif step is Step.PROPOSED:
            proxy.cut()

    with (
        sparkeeper.connect(proxy.connect_string, namespace=namespace, session_timeout=1, timeout=20) as through,
        pytest.raises(CommitUnknown, match="same job_id"),
    ):
        through.write(spark.range(100, 200)).job_id("j").on_step(part).save(str(table))
    assert ids(spark, table) == list(range(100))
    proxy.heal()
    assert zk.write(spark.range(100, 200)).job_id("j").save(str(table)).replayed is landed
    assert ids(spark, table) == list(range(200))
    settle(spark, zk, table)
    assert ids(spark, table) == list(range(200))


def test_a_lock_lost_after_the_commit_landed_is_no_refusal(spark, zk, server, namespace, tmp_path):
    table = tmp_path / "t"
    zk.write(spark.range(100)).save(str(table))
    with (
        Proxy(server.port) as proxy,
        sparkeeper.connect(proxy.connect_string, namespace=namespace, session_timeout=1, timeout=20) as through,
    ):
        held = through.lock("nightly").acquire(10)

        def part(step):
            # The session expires while nobody answers, and the lock goes with it.
            if step is Step.PROPOSED:
                commit = proxy.drop_reply(
                    lambda request: request.op == Op.MULTI and b"COMMITTED" in request.body, stay_down=True
                )
                threading.Thread(target=heal, args=(commit,)).start()

        def heal(commit):
            assert commit.wait(60)
            wait_for(lambda: held.state == "LOST", 60, "the lock to be lost")
            proxy.heal()

        commit = through.write(spark.range(100, 200)).guard(held).on_step(part).save(str(table))
    assert commit.version == 2
    assert ids(spark, table) == list(range(200))
    settle(spark, zk, table)


def test_the_link_is_cut_and_heals_around_the_commit(spark, zk, through, proxy, tmp_path):
    table = tmp_path / "t"
    zk.write(spark.range(100)).save(str(table))

    def cut(step):
        if step in (Step.BEGUN, Step.STAGED, Step.PROPOSED):
            proxy.cut()
            proxy.heal()

    commit = through.write(spark.range(100, 200)).on_step(cut).save(str(table))
    assert commit.version == 2
    assert ids(spark, table) == list(range(200))
    settle(spark, zk, table)
