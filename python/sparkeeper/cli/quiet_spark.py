"""A Spark session for a command: nothing of its log reaches the terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sparkeeper.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyspark.sql import SparkSession

_LOG = """
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %p %c{1}: %m%n
"""


@contextlib.contextmanager
def session(master: str, settings: Mapping[str, str]) -> Iterator[SparkSession]:
    """Start a session at a master, or reach a Spark Connect server; end it with the `with`.

    Raises:
        ConfigError: PySpark is not installed.
    """
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415 - most commands need no Spark
    except ModuleNotFoundError:
        raise ConfigError("this command needs PySpark: pip install 'sparkeeper[spark]'") from None
    # Executors on this machine must run the interpreter that has us.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        builder = SparkSession.builder.appName("sparkeeper")
        if master.startswith("sc://"):
            builder = builder.remote(master)
        else:
            log = Path(folder, "log4j2.properties")
            log.write_text(_LOG)
            builder = builder.master(master).config("spark.ui.enabled", "false")
            builder = builder.config("spark.driver.extraJavaOptions", f"-Dlog4j2.configurationFile=file:{log}")
            builder = builder.config("spark.ui.showConsoleProgress", "false")
        for key, value in settings.items():
            builder = builder.config(key, value)
        spark = builder.getOrCreate()
        try:
            yield spark
        finally:
            spark.stop()
