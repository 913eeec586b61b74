"""A Spark session for measurements: two cores, its log in a file, nothing on the terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def session(folder: str, name: str, settings: dict[str, str] | None = None) -> SparkSession:
    """Start it; the status store stays on without a web server."""
    from pyspark.sql import SparkSession  # noqa: PLC0415 - after the environment is set

    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    log = Path(folder, "log4j2.properties")
    log.write_text(
        "rootLogger.level = warn\nrootLogger.appenderRef.file.ref = file\nappender.file.type = File\n"
        f"appender.file.name = file\nappender.file.fileName = {folder}/spark.log\n"
        "appender.file.layout.type = PatternLayout\n"
    )
    builder = (
        SparkSession.builder.master("local[2]")
        .appName(name)
        .config("spark.driver.extraJavaOptions", f"-Dlog4j2.configurationFile=file:{log}")
        .config("spark.driver.memory", "2g")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
    )
    for key, value in (settings or {}).items():
        builder = builder.config(key, value)
    return builder.getOrCreate()
