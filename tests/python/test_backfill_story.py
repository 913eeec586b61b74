"""The story of the backfill, told once: the killed driver's month goes on, and every flight is there once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

STORY = Path(__file__).parents[2] / "examples" / "backfill_story.py"
FLIGHTS = 336_776


# Three Sparks and a server of its own, which may share their processors with other tests.
@pytest.mark.timeout(600)
@pytest.mark.timeout(900)
def test_the_story_ends_well_though_a_driver_is_killed(tmp_path):
    place = {"COLUMNS": "120", "TMPDIR": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, str(STORY)], capture_output=True, text=True, env={**os.environ, **place}, check=False
    )
    said = run.stdout
    assert run.returncode == 0, said + run.stderr
    killed = re.search(r"(\w) gets SIGKILL, half way through month (\d+)", said)
    victim, month = killed.groups()
    heir = re.search(rf"(\w) went on with month {month} from {victim}'s checkpoint", said)[1]
    assert heir != victim
    assert f"{FLIGHTS:,} rows for {FLIGHTS:,} flights: 0 missing, 0 twice" in said

    table = re.findall(r"│ +(\d+) │ (\w) +│ +([\d,]+) │ (.+?) +│", said)
    assert [int(row[0]) for row in table] == list(range(1, 13))
    assert sum(int(row[2].replace(",", "")) for row in table) == FLIGHTS
    began = {row[0]: (row[1], row[3]) for row in table}
    assert began[month] == (heir, "its second half, from the checkpoint")
    assert all(start == "its start" for other, (_, start) in began.items() if other != month)
    finished = Counter(row[1] for row in table)
    summary = ", ".join(f"{letter} finished {finished[letter]}" for letter in "ABC")
    assert f"{summary}, of 12 months" in said
    assert list(tmp_path.glob("sparkeeper-*")) == [], "it leaves nothing of its own behind"
