"""What kazoo's own tests ask of a party, asked of our groups through kazoo's shape."""

from kazoo_shaped_data import Party
from waiting import wait_for


def test_everybody_sees_who_joins_and_who_leaves(zk):
    parties = [Party(zk, "p", f"p{number}") for number in range(5)]
    one = parties[0]
    assert (list(one), len(one)) == ([], 0)
    there = set()
    for party in parties:
        party.join()
        there.add(party.data.decode())
        assert set(one) == set(party) == there
        assert len(party) == len(there)
    for party in parties:
        party.leave()
        there.remove(party.data.decode())
        assert set(one) == set(party) == there
        assert len(party) == len(there)


def test_who_joins_twice_is_there_once_and_can_come_again(zk):
    party = Party(zk, "p", "p1")
    for _ in range(2):
        party.join()
        party.join()
        assert party.participating
        assert list(party) == ["p1"]
        party.leave()
        party.leave()
        assert not party.participating
        assert len(party) == 0


def test_a_member_whose_node_somebody_deletes_can_leave_all_the_same(zk, coordinator):
    party = Party(zk, "p", "p1")
    party.join()
    admin = coordinator()

    def delete(path):
        for name in admin.children(path):
            below = f"{path}/{name}"
            delete(below)
            if admin.exists(below) and admin.exists(below).ephemeral_owner:
                admin.delete(below)

    delete("p")
    party.leave()
    assert not party.participating
    wait_for(lambda: len(party) == 0, 60, "the party to be empty")


def test_a_member_is_gone_with_its_session(coordinator):
    leaving, staying = Party(leaver := coordinator(), "p", "leaves"), Party(coordinator(), "p", "stays")
    leaving.join()
    staying.join()
    assert set(staying) == {"leaves", "stays"}
    leaver.close()
    wait_for(lambda: set(staying) == {"stays"}, 60, "the one that left to be gone")
