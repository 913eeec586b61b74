"""What a new user meets whose machine lacks something: one sentence of what is wrong, and one of what to do."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
import venv
from pathlib import Path

import pytest

LOWEST_PORT = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
WITHOUT_JAVA = """
    import sparkeeper.local.java
    sparkeeper.local.java.JVM_FOLDERS = ()
"""
EMBEDDED = """
    from sparkeeper.local import LocalServer
    LocalServer().start()
"""
SPARK = """
    from pyspark.sql import SparkSession
    import sparkeeper
    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.zookeeper.connect", CONNECT).config("spark.zookeeper.namespace", NAMESPACE)
    spark = builder.config("spark.log.level", "OFF").getOrCreate()
"""


def meet(code, within=60, under=(), **environ):
    """Run it as a user does, `under` another command, and return the last error that it ended with, class and text."""
    began = time.monotonic()
    ended = subprocess.run(
        [*under, sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=within,
    )
    assert ended.returncode == 1, ended.stdout + ended.stderr
    lines = ended.stderr.splitlines()
    first = max(at for at, line in enumerate(lines) if line.startswith("sparkeeper.exceptions."))
    assert time.monotonic() - began < within
    return "\n".join(lines[first:]).removeprefix("sparkeeper.exceptions.")


def test_no_java(tmp_path):
    said = meet(textwrap.dedent(WITHOUT_JAVA) + textwrap.dedent(EMBEDDED), PATH=str(tmp_path), JAVA_HOME="")
    assert said.startswith("ConfigError: looked for Java to start the embedded ZooKeeper and found none")
    assert "install a JDK" in said


@pytest.mark.parametrize(
    "complaint",
    [
        "java.lang.UnsupportedClassVersionError: Main has class file version 52.0",
        "Error: Could not create the Java Virtual Machine.",
    ],
)
def test_a_java_that_is_too_old(tmp_path, complaint):
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho '{complaint}' >&2\nexit 1\n")
    java.chmod(0o755)
    said = meet(EMBEDDED, JAVA_HOME=str(tmp_path))
    assert said.startswith("ConfigError: tried to start ZooKeeper")
    assert f"with {java}" in said
    assert "this Java is too old or broken; set JAVA_HOME to a JDK 17" in said
    assert complaint in said


def test_no_pyspark():
    # Not by connect("local"): another process of this machine may have started that server.
    said = meet('import sys\nsys.modules["pyspark"] = None' + textwrap.dedent(EMBEDDED), SPARK_HOME="")
    assert said.startswith("ConfigError: looked for the ZooKeeper server's jars and found none")
    assert "pip install 'pyspark>=3.5'" in said


@pytest.mark.parametrize(
    ("lacks", "who", "call"),
    [
        ("pyspark", "zk.write", "zk.write(None)"),
        ("pyspark", "zk.table", "zk.table(None, '/t')"),
        ("pyspark", "zk.transaction", "zk.transaction()"),
        ("pyspark", "zk.foreach_batch", "zk.foreach_batch('/t', 'q')"),
        ("pyspark", "zk.janitor", "zk.janitor(None, [])"),
        ("pyspark", "zk.partition_plan", "zk.partition_plan('p')"),
        ("pyspark", "tasks.run", "zk.tasks('t').run(None, abs)"),
        ("pyspark", "sparkeeper.register", "sparkeeper.register(None)"),
        ("pyarrow", "zk.partition_plan", "zk.partition_plan('p')"),
        ("pyarrow", "tasks.run", "zk.tasks('t').run(None, abs)"),
        ("pyarrow", "Assignment.to_arrow", "sparkeeper.assign([1], ['a']).to_arrow()"),
        ("pandas", "Assignment.to_pandas", "sparkeeper.assign([1], ['a']).to_pandas()"),
        ("pyarrow", "Timeline.to_pandas", "zk.election('e').timeline().to_pandas()"),
    ],
)
def test_an_extra_that_is_missing(connect_string, namespace, lacks, who, call):
    said = meet(f"""
        import sys
        sys.modules[{lacks!r}] = None
        import sparkeeper
        with sparkeeper.connect({connect_string!r}, namespace={namespace!r}) as zk:
            {call}
    """)
    assert said == f"ConfigError: {who} needs {lacks}, which is not installed: pip install 'sparkeeper[spark]'"


def test_no_server():
    said = meet('import sparkeeper; sparkeeper.connect("127.0.0.1:1")')
    assert said == "ConnectionLost: connect to '127.0.0.1:1': no server answered; check the address and that it runs"


def test_the_port_of_something_else():
    said = meet("""
        import http.server, threading
        import sparkeeper
        other = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
        threading.Thread(target=other.serve_forever, daemon=True).start()
        sparkeeper.connect(f"127.0.0.1:{other.server_port}")
    """)
    assert "no server answered; check the address and that it runs" in said


def test_a_port_that_is_taken():
    said = meet("""
        import socket
        from sparkeeper.local import LocalServer
        with socket.create_server(("127.0.0.1", 0)) as taken:
            LocalServer(port=taken.getsockname()[1]).start()
    """)
    assert said.startswith("ConfigError: tried to start ZooKeeper on 127.0.0.1:")
    assert said.endswith("another process listens there; stop it, or leave the port to be chosen")


@pytest.mark.skipif(LOWEST_PORT.exists() and int(LOWEST_PORT.read_text()) <= 1, reason="every port is for everybody")
def test_a_port_that_is_the_systems():
    said = meet(
        "from sparkeeper.local import LocalServer; LocalServer(port=1).start()",
        under=["setpriv", "--bounding-set", "-net_bind_service"] if os.geteuid() == 0 else [],
    )
    assert said.startswith("ConfigError: tried to listen on 127.0.0.1:1: Permission denied; low ports are the system's")


def test_a_folder_that_cannot_keep_data(tmp_path):
    file = tmp_path / "file"
    file.touch()
    expected = f"ConfigError: tried to keep ZooKeeper's data in {file / 'x'}: [Errno 20] Not a directory: "
    said = meet(f"from sparkeeper.local import LocalServer; LocalServer({str(file / 'x')!r}).start()")
    assert said.startswith(expected)
    assert said.endswith("; give a folder that can be written")
    # By way of the supervisor, whose traceback is nobody's business.
    shared = {"XDG_RUNTIME_DIR": str(tmp_path), "SPARKEEPER_LOCAL_DATA": str(file / "x")}
    assert meet('import sparkeeper; sparkeeper.connect("local")', **shared) == said


def test_another_python_on_the_executors(tmp_path, connect_string, namespace):
    venv.create(tmp_path / "other", symlinks=True)
    settings = f"CONNECT, NAMESPACE = {connect_string!r}, {namespace!r}\n"
    environ = {"PYSPARK_PYTHON": str(tmp_path / "other" / "bin" / "python"), "PYSPARK_DRIVER_PYTHON": sys.executable}
    said = meet(
        settings
        + textwrap.dedent(SPARK)
        + textwrap.dedent("""
            tasks = sparkeeper.connect(spark).tasks("t")
            tasks.submit([1, 2])
            list(tasks.run(spark, abs, workers=1))
        """),
        within=200,
        **environ,
    )
    assert said.startswith(
        "ConfigError: run of tasks 't': the Python of Spark's executors has no sparkeeper; set PYSPARK_PYTHON"
    )
    assert "ship your environment with the job" in said
    looked = subprocess.run(
        [sys.executable, "-c", settings + textwrap.dedent(SPARK) + "\nprint(sparkeeper.doctor(spark))"],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    ).stdout
    assert "WRONG: no task answered: ModuleNotFoundError: No module named" in looked
    assert "set PYSPARK_PYTHON to one that has it" in looked
