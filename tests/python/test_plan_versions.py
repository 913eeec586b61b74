"""One version after the other: who publishes, who gets what, and what a lost reply leaves."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from sparkeeper.exceptions import ConfigError, NoNode
from sparkeeper.spark.plan.ask import partition_plan
from waiting import wait_for
from wire import Op

V1 = b"""{
"format": "sparkeeper.partition_plan.v1",
"version": 1,
"name": "old",
"columns": [{"by":"id % 3","type":"bigint"}],
"partitions": 2,
"weights": "count",
"split_heavy": false,
"created_by": "local-1 @ host / 1",
"created_at": "2026-01-01T00:00:00+00:00",
"certificate": {"strategy":"weighted","loads":[4,6],"max_load":6,"lower_bound":6,"gap":0.0,"moves":3,
"moves_lower_bound":3,"digest":"00"},
"keys": [
{"key":[0],"partition":0,"weight":4},
{"key":[1],"partition":1,"weight":3},
{"key":[2],"partition":1,"weight":3}
]
}
"""


def first(zk, spark, name="p", rows=30):
    return zk.partition_plan(name, spark.range(rows), by=["id % 6"], partitions=3)


def test_a_version_follows_the_other_and_all_are_there(spark, zk):
    one = first(zk, spark)
    two = zk.partition_plan("p", spark.range(31), replan=True)
    assert (two.version, two.document.replaced, two.certificate.moves) == (2, 1, 0)
    three = zk.partition_plan("p", spark.range(60), partitions=2, split_heavy=True, weights="id", replan=True)
    assert (three.partitions, three.weights, three.document.split_heavy) == (2, "id", True)
    assert zk.partition_plan("p") == three
    assert [zk.partition_plan("p", version=version) for version in (1, 2, 3)] == [one, two, three]
    with pytest.raises(
        NoNode, match=r"version 4 of the partition plan at /plans/p is not there; versions kept: 1, 2, 3"
    ):
        zk.partition_plan("p", version=4)
    with pytest.raises(ConfigError, match=r"is by \['id % 6'\] in all its versions"):
        zk.partition_plan("p", spark.range(9), by=["id"], replan=True)
    with pytest.raises(ConfigError, match="without rows to count: pass df"):
        zk.partition_plan("p", replan=True)
    with pytest.raises(NoNode, match="pass df, by and partitions"):
        zk.partition_plan("none", replan=True)


def test_ten_versions_are_kept_and_no_page_of_others(spark, zk):
    frame = spark.createDataFrame([(0, 5), (1, 5)], "k int, w int")
    for _ in range(13):
        zk.partition_plan("p", by=["k"], partitions=2, weights=frame, replan=True)
    assert zk.partition_plan("p").version == 13
    assert sorted(int(page.split("-")[0]) for page in zk.children("plans/p")) == list(range(4, 14))
    with pytest.raises(NoNode, match="versions kept: 4, 5"):
        zk.partition_plan("p", version=3)
    with pytest.raises(ConfigError, match=r"weights from a DataFrame: pass one again"):
        zk.partition_plan("p", frame, replan=True)


def test_a_plan_of_the_first_release_is_read_and_planned_again(spark, zk):
    zk.create("plans/old", V1)
    old = zk.partition_plan("old")
    assert (old.version, old.certificate.loads, old.plain_loads) == (1, [4, 6], None)
    assert zk.partition_plan("old", spark.range(10), by=["id % 3"], partitions=2) == old
    new = zk.partition_plan("old", spark.range(10), replan=True)
    assert (new.version, new.certificate.moves) == (2, 0)
    again = zk.partition_plan("old", version=1)
    assert again.document.keys == old.document.keys
    assert len(zk.children("plans/old")) == 2
    zk.create("plans/changed", V1.replace(b'"weight":4', b'"weight":5'))
    with pytest.raises(ConfigError, match=r"/plans/changed holds no partition plan.*its loads differ"):
        zk.partition_plan("changed")


def test_two_plan_again_at_once_and_both_get_one_plan(spark, zk):
    first(zk, spark)

    class Slow:
        """A coordinator in whose way somebody else publishes."""

        def __init__(self):
            self.others = None

        def __getattr__(self, name):
            return getattr(zk, name)

        def multi(self):
            if self.others is None:
                self.others = zk.partition_plan("p", spark.range(40), replan=True)
            return zk.multi()

    slow = Slow()
    mine = partition_plan(slow, "p", spark.range(50), replan=True)
    assert mine == slow.others == zk.partition_plan("p")
    assert (mine.version, sum(mine.certificate.loads)) == (2, 40)
    assert len(zk.children("plans/p")) == 2


def test_deleted_under_its_publisher_it_is_published_whole(spark, zk):
    class Late:
        def __init__(self):
            self.batches = 0

        def __getattr__(self, name):
            return getattr(zk, name)

        def multi(self):
            self.batches += 1
            if self.batches == 1:
                zk.delete("plans/p", recursive=True)
                zk.create("plans/p")  # the head's version is the same again
            return zk.multi()

    late = Late()
    plan = partition_plan(late, "p", spark.range(30), by=["id % 6"], partitions=3)
    assert late.batches == 2
    assert zk.partition_plan("p") == plan


def test_what_a_publisher_that_died_left_goes_with_the_next_version(spark, zk):
    first(zk, spark)
    zk.create("plans/p/2-0123456789abcdef-0", b"half")
    assert zk.partition_plan("p").version == 1
    zk.partition_plan("p", spark.range(30), replan=True)
    assert sorted(page[:2] for page in zk.children("plans/p")) == ["1-", "2-"]
    assert zk.partition_plan("p").version == 2


def writes(request, wanted, but):
    kinds = {Op.CREATE, Op.CREATE2, Op.CREATE_CONTAINER, Op.MULTI}
    return request.op in kinds and wanted in request.body and but not in request.body


REPLIES = {
    "head": lambda request: writes(request, b"/plans/p", but=b"/plans/p/"),
    "page": lambda request: writes(request, b"/plans/p/1-", but=b"plan_head"),
    "publication": lambda request: writes(request, b"plan_head", but=b"plan.v2"),
}


@pytest.mark.parametrize("expire", [False, True], ids=["reconnect", "expiry"])
@pytest.mark.parametrize("lost", REPLIES)
def test_a_lost_reply_is_one_version(spark, zk, coordinator, proxy, *, lost, expire):
    far = coordinator(proxy.connect_string, session_timeout=1.5 if expire else 20)
    far.sync()
    dropped = proxy.drop_reply(REPLIES[lost], stay_down=expire)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(first, far, spark)
        assert dropped.wait(60)
        if expire:
            wait_for(lambda: far.state == "EXPIRED", 60, "the end of the session")
            proxy.heal()
        plan = asked.result(60)
    assert plan.version == 1
    assert zk.partition_plan("p") == plan
    assert len(zk.children("plans/p")) == 1


def test_of_drivers_that_ask_at_once_one_publishes_and_all_place_alike(zk, start_driver):
    drivers = [start_driver() for _ in range(3)]
    for driver in drivers:
        driver.ready()
    for version, again in ((1, False), (2, True)):
        for number, driver in enumerate(drivers):
            driver.tell("plan", rows=100 * version + number, again=again)
        told = [driver.answer() for driver in drivers]
        kept = [
            json.loads(zk.partition_plan("raced", version=there).document.to_json())
            for there in range(1, 1 + newest(zk))
        ]
        assert all(answer["plan"] in kept for answer in told)
        assert [len([row for row in answer["placed"] if row[0] == key]) for answer in told for key in range(7)] == [
            1
        ] * 21
        if not again:
            assert len(kept) == version
            assert told == [told[0]] * 3


def newest(zk):
    return zk.partition_plan("raced").version
