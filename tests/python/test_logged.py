"""What goes to Python's logging when much happens at once."""

from __future__ import annotations

import logging

from waiting import wait_for


def test_a_lost_session_is_one_line_and_names_each_host_once(coordinator, proxy, caplog):
    with coordinator(proxy.connect_string, session_timeout=2) as zk:
        member = zk.partitions("p", items=range(40), quiet=0.05).join("a")
        claims = member.claims(hold=True)
        held = [next(claims) for _ in range(40)]
        with caplog.at_level(logging.INFO):
            proxy.cut()
            wait_for(lambda: all(claim.state == "LOST" for claim in held), 60, "all to be lost")
            wait_for(lambda: "fail to connect to cluster" in caplog.text, 60, "the library to give up the session")
            said = [record.getMessage() for record in caplog.records]
        proxy.heal()
        wait_for(lambda: len(member.held) == 40, 60, "all to be back")
    # The 40 claims, and the term of the member, which leads.
    assert [text for text in said if "lost" in text and "p/" in text] == [
        text for text in said if text.startswith("grants lost count=41 one=")
    ]
    assert len([text for text in said if "grants lost" in text]) == 1
    # Coordinators of other tests may have something to say too.
    told = [text.count(proxy.connect_string) for text in said if "to cluster" in text]
    assert set(told) - {0} == {1}
    assert max(text.count(proxy.connect_string) for text in said) == 1
