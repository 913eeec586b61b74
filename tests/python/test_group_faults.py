"""Group membership through kills, cuts, expiries, lost replies and deletions: who is there is always true."""

import random
import threading

import pytest

from program import Program
from sparkeeper import exceptions
from waiting import wait_for
from wire import Op

_MEMBER = """
zk = sparkeeper.connect(sys.argv[1], namespace=sys.argv[2], session_timeout=1.5, timeout=20)
me = zk.group("g").join(b"again", id="a", timeout=20)
say(me.incarnation)
hear()
"""


def test_a_killed_member_is_gone_at_its_timeout_and_its_successor_waits_for_that(zk, namespace, connect_string):
    group = zk.group("g")
    with Program(_MEMBER, connect_string, namespace) as first:
        incarnation = first.answer()
        first.process.kill()
        with Program(_MEMBER, connect_string, namespace) as second:
            again = second.answer()
            assert again > incarnation
            (member,) = group.members()
            assert (member.id, member.incarnation) == ("a", again)
            second.process.kill()
            wait_for(lambda: group.members() == [], 60, "the killed member to be gone")


def test_a_lost_connection_changes_nothing(proxy, coordinator):
    zk = coordinator(proxy.connect_string, session_timeout=10)
    observer = coordinator().group("g")
    me = zk.group("g").join(id="a")
    view = observer.view()
    proxy.cut()
    wait_for(lambda: me.state == "AT_RISK", 60, "the member to know of the cut")
    updating = threading.Thread(target=me.update, args=(b"later",))
    updating.start()
    proxy.heal()
    wait_for(lambda: me.state == "JOINED", 60, "the member to be back")
    updating.join(60)
    assert observer.view() == view
    assert observer.members()[0].data == b"later"


def test_after_an_expiry_it_joins_again_as_the_next_incarnation(proxy, coordinator):
    zk = coordinator(proxy.connect_string, session_timeout=1)
    observer = coordinator().group("g")
    me = zk.group("g").join(b"x", id="a")
    first, session = me.incarnation, zk.session_id
    proxy.freeze()
    wait_for(lambda: me.state == "ABSENT", 60, "the member to know by the clock")
    wait_for(lambda: observer.members() == [], 60, "the others to see it go")
    proxy.thaw()
    (member,) = wait_for(observer.members, 60, "it to be back")
    assert (member.id, member.data) == ("a", b"x")
    assert member.incarnation > first
    assert member.session_id not in (0, session)
    wait_for(lambda: me.state == "JOINED", 60, "it to know")
    assert me.incarnation == member.incarnation


def test_a_node_that_somebody_deletes_is_made_again(zk, coordinator):
    me = zk.group("g").join(b"x", id="a")
    first = me.incarnation
    coordinator().delete("g/a")
    wait_for(lambda: me.state == "JOINED" and me.incarnation > first, 60, "it to be back")
    assert [member.data for member in zk.group("g").members()] == [b"x"]


def test_a_member_that_left_without_a_connection_never_comes_back(proxy, coordinator):
    zk = coordinator(proxy.connect_string, session_timeout=10)
    observer = coordinator().group("g")
    me = zk.group("g").join(id="a")
    proxy.cut()
    wait_for(lambda: zk.state == "SUSPENDED", 60, "the cut")
    me.leave()
    assert len(observer.members()) == 1, "nobody could know yet"
    proxy.heal()
    wait_for(lambda: observer.members() == [], 60, "it to be gone")
    assert zk.group("g").join(id="a").state == "JOINED", "the id is free again"


def test_a_member_that_left_while_its_session_was_over_never_comes_back(proxy, coordinator):
    zk = coordinator(proxy.connect_string, session_timeout=1)
    observer = coordinator().group("g")
    stays, me = zk.group("g").join(id="stays"), zk.group("g").join(id="a")
    proxy.cut()
    wait_for(lambda: observer.members() == [], 60, "the session to be over")
    me.leave()
    proxy.heal()
    wait_for(lambda: [member.id for member in observer.members()] == ["stays"], 60, "the other to be back")
    wait_for(lambda: stays.state == "JOINED", 60, "it to know")
    assert zk.exists("g/a") is None
    # Whatever was on its way is through once a later write on the same session is.
    stays.update(b"later")
    assert [member.id for member in observer.members()] == ["stays"]


def test_leaving_at_any_moment_of_the_next_session_leaves_nothing(proxy, coordinator):
    chance = random.Random(11)
    observer = coordinator().group("g")
    zk = coordinator(proxy.connect_string, session_timeout=1)
    stays = zk.group("g").join(id="stays")
    for turn in range(6):
        members = [zk.group("g").join(id=f"{turn}-{number}") for number in range(20)]
        proxy.cut()
        wait_for(lambda: observer.members() == [], 60, "the session to be over")
        proxy.heal()
        wait_for(observer.members, 60, "the first to be back", interval=0.001)
        chance.shuffle(members)
        for member in members:
            member.leave()
        for member in members:
            member.leave(wait=True)
        wait_for(lambda: stays.state == "JOINED", 60, "the one that stays")
        assert {member.id for member in observer.members()} <= {"stays"}
    wait_for(lambda: [member.id for member in observer.members()] == ["stays"], 60, "nobody but the one that stays")


@pytest.mark.parametrize("lost", [Op.CREATE2, Op.DELETE, Op.SET_DATA])
def test_a_lost_reply_neither_doubles_nor_orphans(proxy, coordinator, lost):
    zk = coordinator(proxy.connect_string, session_timeout=10)
    keeps = coordinator().group("g").join(id="keeps")
    observer = coordinator().group("g")
    dropped = proxy.drop_reply(lost)
    me = zk.group("g").join(b"one", id="a", timeout=20)
    me.update(b"two")
    assert [member.data for member in observer.members()] == [b"two", b""]
    me.leave(wait=True)
    assert dropped.is_set()
    assert [member.id for member in observer.members()] == ["keeps"]
    again = zk.group("g").join(id="a")
    assert again.state == keeps.state == "JOINED"


def test_a_repeated_deletion_spares_the_one_who_came_next(proxy, coordinator):
    me = coordinator(proxy.connect_string, session_timeout=20).group("g").join(id="a")
    # The server deletes the node, and before we learn it somebody else takes the id.
    dropped = proxy.drop_reply(Op.DELETE, stay_down=True)
    me.leave()
    assert dropped.wait(60)
    next_one = coordinator().group("g").join(id="a")
    proxy.heal()
    me.leave(wait=True)
    assert next_one.state == "JOINED"
    (member,) = coordinator().group("g").members()
    assert member.incarnation == next_one.incarnation


def test_waiting_survives_a_cut_and_an_expiry_and_ends_with_the_coordinator(zk, coordinator, proxy):
    other = coordinator(proxy.connect_string, session_timeout=1)
    found, errors = [], []
    waiter = threading.Thread(target=lambda: found.append(other.group("g").wait_for(1, timeout=60)))
    waiter.start()
    session = other.session_id
    proxy.cut()
    wait_for(lambda: other.state == "EXPIRED" or other.session_id == 0, 60, "the lease to end")
    proxy.heal()
    wait_for(lambda: other.session_id not in (0, session), 60, "the next session")
    zk.group("g").join(id="a")
    waiter.join(60)
    assert found[0].members.keys() == {"a"}

    def wait():
        try:
            other.group("g").wait_for(2)
        except exceptions.Closed as error:
            errors.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    other.close()
    waiter.join(2)
    assert errors
