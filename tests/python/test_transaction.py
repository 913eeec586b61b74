"""Several tables in one commit: both or none, whoever dies or interferes when."""

from __future__ import annotations

import pytest

from sparkeeper.exceptions import CommitConflict, ConfigError, LockLost
from tables import ids, leftovers, settle


@pytest.fixture
def pair(tmp_path):
    return tmp_path / "orders", tmp_path / "lines"


def write_both(zk, spark, pair, rows=(0, 5), **settings):
    with zk.transaction(**settings) as tx:
        for path in pair:
            tx.write(spark.range(*rows)).save(str(path))
    return tx.commits


def test_both_are_committed(spark, zk, pair):
    commits = write_both(zk, spark, pair)
    assert [commit.version for commit in commits.values()] == [1, 1]
    assert set(commits) == {f"file://{path}" for path in pair}
    zk.write(spark.range(5, 6)).save(str(pair[0]))
    assert [commit.version for commit in write_both(zk, spark, pair, (6, 8)).values()] == [3, 2]
    assert ids(spark, pair[0]) == list(range(8))
    assert ids(spark, pair[1]) == [0, 1, 2, 3, 4, 6, 7]
    assert [leftovers(zk, path) for path in pair] == [[], []]


def test_nothing_is_seen_before_the_end(spark, zk, pair):
    with zk.transaction() as tx:
        for path in pair:
            tx.write(spark.range(3)).save(str(path))
        assert spark.read.schema("id bigint").parquet(str(pair[0])).count() == 0
        assert zk.table(spark, str(pair[0])).version == 0
    assert ids(spark, pair[0]) == ids(spark, pair[1]) == [0, 1, 2]


def test_an_exception_rolls_back(spark, zk, pair):
    write_both(zk, spark, pair)
    tx = zk.transaction()

    def fail() -> None:
        with tx:
            for path in pair:
                tx.write(spark.range(9)).mode("overwrite").save(str(path))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert tx.commits == {}
    assert ids(spark, pair[0]) == ids(spark, pair[1]) == list(range(5))
    assert [leftovers(zk, path) for path in pair] == [[], []]


def test_a_write_that_fails_takes_the_others_with_it(spark, zk, pair):
    write_both(zk, spark, pair)

    def write() -> None:
        with zk.transaction() as tx:
            tx.write(spark.range(9)).save(str(pair[0]))
            tx.write(spark.range(9).selectExpr("id", "id AS other")).save(str(pair[1]))

    with pytest.raises(ConfigError, match="not in the table"):
        write()
    assert ids(spark, pair[0]) == list(range(5))
    assert [leftovers(zk, path) for path in pair] == [[], []]


def test_a_failed_write_that_is_caught_commits_nothing(spark, zk, pair):
    write_both(zk, spark, pair)

    def write() -> None:
        with zk.transaction() as tx:
            tx.write(spark.range(9)).save(str(pair[0]))
            with pytest.raises(ConfigError, match="not in the table"):
                tx.write(spark.range(9).selectExpr("id", "id AS other")).save(str(pair[1]))

    with pytest.raises(ConfigError, match="one of its writes failed"):
        write()
    assert ids(spark, pair[0]) == ids(spark, pair[1]) == list(range(5))
    assert [leftovers(zk, path) for path in pair] == [[], []]


def test_a_conflict_in_one_table_undoes_all(spark, zk, pair):
    write_both(zk, spark, pair)

    def write() -> None:
        with zk.transaction() as tx:
            tx.write(spark.range(9)).save(str(pair[0]))
            tx.write(spark.range(9)).mode("overwrite").save(str(pair[1]))
            zk.write(spark.range(5, 6)).job_id("intruder").save(str(pair[1]))

    with pytest.raises(CommitConflict, match="intruder"):
        write()
    assert ids(spark, pair[0]) == list(range(5))
    assert ids(spark, pair[1]) == list(range(6))
    assert [leftovers(zk, path) for path in pair] == [[], []]


def test_appends_rebase_together(spark, zk, pair):
    write_both(zk, spark, pair)
    with zk.transaction() as tx:
        for path in pair:
            tx.write(spark.range(10, 11)).save(str(path))
        zk.write(spark.range(5, 6)).save(str(pair[1]))
    assert ids(spark, pair[0]) == [0, 1, 2, 3, 4, 10]
    assert ids(spark, pair[1]) == [0, 1, 2, 3, 4, 5, 10]


def test_a_job_is_committed_once_to_all_its_tables(spark, zk, pair, tmp_path):
    write_both(zk, spark, pair, job_id="close-of-day")
    again = write_both(zk, spark, pair, job_id="close-of-day")
    assert [(commit.version, commit.replayed) for commit in again.values()] == [(1, True), (1, True)]
    assert ids(spark, pair[0]) == ids(spark, pair[1]) == list(range(5))
    with pytest.raises(ConfigError, match="its own job_id"):
        write_both(zk, spark, (pair[0], tmp_path / "third"), job_id="close-of-day")
    assert list((tmp_path / "third").rglob("*.parquet")) == []


def test_a_run_of_the_job_that_was_faster_is_returned(spark, zk, pair):
    with zk.transaction(job_id="raced") as tx:
        for path in pair:
            tx.write(spark.range(5)).save(str(path))
        # As another process does: its own transaction, of the same job.
        done = write_both(zk, spark, pair, job_id="raced")
    assert [commit.replayed for commit in done.values()] == [False, False]
    assert [commit.replayed for commit in tx.commits.values()] == [True, True]
    assert ids(spark, pair[0]) == ids(spark, pair[1]) == list(range(5))
    assert [leftovers(zk, path) for path in pair] == [[], []]


def test_a_guard_stands_for_all(spark, zk, pair):
    held = zk.lock("books").acquire(10)
    write_both(zk, spark, pair, guard=held)

    def write() -> None:
        with zk.transaction(guard=held) as tx:
            for path in pair:
                tx.write(spark.range(9)).save(str(path))
            held.release()

    with pytest.raises(LockLost):
        write()
    assert ids(spark, pair[0]) == list(range(5))


def test_says_what_it_cannot_do(spark, zk, pair):
    with zk.transaction() as tx:
        tx.write(spark.range(1)).save(str(pair[0]))
        with pytest.raises(ConfigError, match="already"):
            tx.write(spark.range(1)).save(f"file:{pair[0]}/")
        with pytest.raises(ConfigError, match="name the transaction"):
            tx.write(spark.range(1)).job_id("x")
    with pytest.raises(ConfigError, match="over"):
        tx.write(spark.range(1)).save(str(pair[1]))
    with pytest.raises(ConfigError, match="entered once"), tx:
        pass
    assert ids(spark, pair[0]) == [0]


@pytest.mark.parametrize(
    ("at", "committed"),
    [
        (("STAGED", 1), False),
        (("RELOCATED", 2), False),
        (("PROPOSED", 2), False),
        (("COMMITTED", 1), True),
        (("PUBLISHED", 1), True),
        (("CLEANED", 1), True),
        (("PUBLISHED", 2), True),
    ],
    ids=str,
)
def test_a_driver_killed_anywhere_leaves_both_or_neither(spark, zk, pair, start_driver, at, committed):  # noqa: PLR0917 - fixtures
    write_both(zk, spark, pair)
    driver = start_driver()
    tables = [str(path) for path in pair]
    driver.tell("transaction", tables=tables, rows=(10, 12), job_id="killed", at=(*at, "SIGKILL"))
    driver.wait_killed()
    # Plain readers see old or new of each; whoever comes next makes them agree.
    for path in pair:
        assert ids(spark, path) in (list(range(5)), [*range(5), 10, 11])
    for path in pair:
        settle(spark, zk, path)
        assert ids(spark, path) == ([*range(5), 10, 11] if committed else list(range(5)))
    done = write_both(zk, spark, pair, (10, 12), job_id="killed")
    assert [commit.replayed for commit in done.values()] == [committed, committed]
    assert ids(spark, pair[0]) == ids(spark, pair[1]) == [*range(5), 10, 11]


def test_a_transaction_that_was_not_begun_is_refused(spark, zk, pair):
    with pytest.raises(ConfigError, match=r"not begun: with zk\.transaction"):
        zk.transaction().write(spark.range(3)).save(str(pair[0]))
