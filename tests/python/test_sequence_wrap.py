"""The server's int32 sequence counter driven over its end for real: its snapshot says that it is nearly there."""

import threading

import pytest

import sparkeeper
from sparkeeper.local import LocalServer
from waiting import wait_for

_LAST = 2**31 - 1
_CONTENDERS = 8


@pytest.fixture
def nearly_worn(spark):
    """A server on which the counter of /wear/line stands at the third last number."""
    with LocalServer() as server:
        with sparkeeper.connect(server.connect_string) as zk:
            zk.create("wear/line/keeps-the-parent")
        server.stop()
        jvm = spark._jvm
        zookeeper = jvm.org.apache.zookeeper.server
        folder = jvm.java.io.File(str(server.data / "data"))
        log = zookeeper.persistence.FileTxnSnapLog(folder, folder)
        database = zookeeper.ZKDatabase(log)
        database.loadDataBase()
        tree = database.getDataTree()
        tree.setCversionPzxid("/wear/line", _LAST - 2, database.getDataTreeLastProcessedZxid())
        log.save(tree, database.getSessionWithTimeOuts(), True)  # noqa: FBT003 - a Java call has no keywords
        database.close()
        log.close()
        yield server.start()


def test_order_and_exclusion_hold_over_the_end_of_the_counter(nearly_worn):
    arrived, granted, inside, most = [], [], 0, 0
    mutex = threading.Lock()
    sessions = [sparkeeper.connect(nearly_worn.connect_string, namespace="wear") for _ in range(_CONTENDERS)]
    lines = [zk.lock("line", owner=f"c{index}") for index, zk in enumerate(sessions)]

    def contend(lock):
        nonlocal inside, most
        with lock as held:
            with mutex:
                inside += 1
                most = max(most, inside)
                granted.append((held.owner, held.token))
            held.check()
            with mutex:
                inside -= 1

    blocker = lines[0].acquire()
    threads = []
    for index, lock in enumerate(lines[1:], 1):
        thread = threading.Thread(target=contend, args=(lock,), daemon=True)
        thread.start()
        threads.append(thread)
        wait_for(lambda count=index: len(lines[0].contenders()) == count + 1, 60, f"c{index} in line")
        arrived.append(f"c{index}")
    numbers = sorted(name[-11:] for name in sessions[0].children("line") if "-lock-" in name)
    assert any(number.endswith(str(_LAST)) for number in numbers), numbers
    assert [contender.owner for contender in lines[0].contenders()] == ["c0", *arrived]
    blocker.release()
    for thread in threads:
        thread.join(60)
    assert [owner for owner, _ in granted] == arrived
    tokens = [token for _, token in granted]
    assert tokens == sorted(set(tokens))
    assert tokens[0] > blocker.token
    assert most == 1
    for zk in sessions:
        zk.close()
