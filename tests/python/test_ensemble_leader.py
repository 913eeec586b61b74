"""The leader is killed while eight clients work: nothing is granted twice, nothing is lost, everybody goes on."""

import time

import pytest

import sparkeeper
from history_bodies import ThreadBody
from history_check import transcript, verify
from history_client import Who
from history_plan import draw
from history_run import Life, said
from sparkeeper.local import LocalEnsemble
from waiting import wait_for

CLIENTS, STEPS, BEFORE = 8, 24, 6
RECIPES = ("hold", "look", "permits", "lead", "add", "swap", "put", "consume", "consume")


@pytest.fixture(scope="module")
def ensemble():
    with LocalEnsemble(3) as running:
        yield running


def test_the_leader_is_killed_while_clients_lock_elect_count_and_queue(ensemble, namespace, tmp_path):
    with sparkeeper.connect(ensemble.connect_string, namespace=namespace, timeout=20) as zk:
        zk.create("register", b"null")

    def born(name):
        return ThreadBody(Who(name, ensemble.connect_string, namespace, session_timeout="6"))

    plan = draw(3, clients=CLIENTS, steps=STEPS, names=RECIPES, faults=())
    lives = [Life(f"client{number}", steps, born, None) for number, steps in enumerate(plan)]
    leader = ensemble.wait_quorum()
    for life in lives:
        life.start()
    wait_for(lambda: all(life.done >= BEFORE for life in lives), 40, "everybody at work")
    ensemble.nodes[leader].kill()
    assert not any(life.done == STEPS for life in lives), "somebody was through before the leader was killed"
    assert ensemble.wait_quorum(30) != leader
    again = time.monotonic_ns()
    history = said(lives)
    (tmp_path / "transcript").write_text(transcript(history, 3))
    operations = verify(history)
    assert all(operations[recipe] >= CLIENTS for recipe in ("lock", "election", "counter", "queue"))
    went_on = {value["id"].partition(".")[0] for value in history if "result" in value and value["at"] > again}
    assert went_on == {f"client{number}" for number in range(CLIENTS)}
