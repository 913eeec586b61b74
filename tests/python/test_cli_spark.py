"""Commands that start Spark: the care of tables, and the doctor."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    import sparkeeper
    from commands import Shell


def test_a_table_is_looked_after_from_a_shell(
    shell: Shell, zk: sparkeeper.Coordinator, spark: SparkSession, tmp_path: Path
) -> None:
    table = str(tmp_path / "table")
    zk.write(spark.range(3)).job_id("one").save(table)
    zk.write(spark.range(5)).mode("overwrite").job_id("two").save(table)
    assert [(one["version"], one["job_id"]) for one in shell.json("table", "history", table)] == [
        (1, "one"),
        (2, "two"),
    ]
    assert shell.run("table", "restore", table, "1").decode() == "version 3 has the rows of version 1\n"
    assert spark.read.parquet(table).count() == 3
    assert shell.json("table", "recover", table)["rolled_back"] == []
    assert "would delete" in shell.run("table", "vacuum", table, "--older-than", "0", "--dry-run").decode()
    assert shell.json("table", "doctor", table)["healthy"] is True
    # Left by hand: nobody's file.
    spark.range(1).write.mode("append").parquet(table)
    said = shell.run("table", "doctor", table, code=1).decode()
    assert "needs attention" in said
    (state,) = shell.json("top", "--once")["tables"]
    assert (state["version"], state["path"].removeprefix("file://")) == (3, table)


def test_the_doctor_looks_at_executors(shell: Shell) -> None:
    said = shell.json("doctor", "--spark", "local[2]")
    assert said["ok"] is True
    assert said["checkup"]["executors"][0]["error"] is None


def test_a_master_that_is_none_is_said_in_a_line(shell: Shell) -> None:
    assert "no Spark Connect server answers at 'sc://127.0.0.1:1'" in shell.refused(
        "doctor", "--spark", "sc://127.0.0.1:1", code=5
    )
    said = shell.refused("doctor", "--spark", "nope:1", code=2)
    assert "Master must" in said
    assert said.count("\n") == 1


def test_what_is_no_table_is_said_in_a_line_and_nothing_of_sparks_log(shell: Shell, tmp_path: Path) -> None:
    said = shell.refused("table", "history", str(tmp_path), code=1)
    assert str(tmp_path) in said
    assert said.count("\n") == 1


def test_a_spark_that_is_not_installed_is_said_in_a_line(shell: Shell) -> None:
    without = "import sys; sys.modules['pyspark'] = None; import sparkeeper.cli; sparkeeper.cli.main()"
    ended = subprocess.run(
        [sys.executable, "-c", without, "doctor", "--spark", "local[1]"],
        env=shell.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    said = "sparkeeper: this command needs pyspark, which is not installed: pip install 'sparkeeper[spark]'\n"
    assert (ended.returncode, ended.stderr) == (2, said)
