"""The streaming query with a hot standby of the examples: its leader is killed, and every row is there once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

STORY = Path(__file__).parents[2] / "examples" / "stream_standby.py"


@pytest.mark.timeout(900)
def test_the_standby_goes_on_where_the_leader_was_killed(tmp_path):
    told = subprocess.run(
        [sys.executable, str(STORY)],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYSPARK_PYTHON": sys.executable},
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert "1,200 rows of 1,200, 0 of them twice" in told.stdout
