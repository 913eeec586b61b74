"""A driver stopped in the middle of an overwrite, for tests of what takes room or rights away from it then."""

from __future__ import annotations

import resource

from tables import ids, settle

OLD, NEW = list(range(100)), list(range(1000, 1300))


def limit(process, size):
    """Let a process write no file longer than that: the kernel fails its write, as it does on a full disk."""
    _, most = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, most))


def stop_in_an_overwrite(driver, table, step):
    driver.tell("write", path=str(table), rows=[1000, 1300], mode="overwrite", job_id="new", at=[step.name, "SIGSTOP"])
    driver.wait_stopped()


def write_again(spark, zk, driver, table):
    answer = driver.ask("write", path=str(table), rows=[1000, 1300], mode="overwrite", job_id="new")
    assert answer.get("version") == 2, answer
    assert ids(spark, table) == NEW
    settle(spark, zk, table)
