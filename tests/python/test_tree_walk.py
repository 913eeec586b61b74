"""The walk under the data source: many nodes in one request, whatever the server knows and however large they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sparkeeper._sparkeeper import TreeScope
from sparkeeper.exceptions import NotAuthorized
from wire import Op

if TYPE_CHECKING:
    from collections.abc import Callable

    import sparkeeper
    from proxy import Proxy


def walk(zk: sparkeeper.Coordinator, root: str = "/") -> dict[str, bytes]:
    found = {}
    for batch in zk._tree_walk(TreeScope(root), [(root, True)], "text"):
        for row in batch.select(["path", "data"]).to_pylist():
            assert row["path"] not in found
            found[row["path"]] = row["data"]
    return found


def plant(zk: sparkeeper.Coordinator, parents: int, each: int) -> dict[str, bytes]:
    made = {"/": b""}
    with zk.multi() as batch:
        for parent in range(parents):
            made[f"/{parent}"] = b"parent"
            batch.create(f"/{parent}", b"parent")
            for leaf in range(each):
                made[f"/{parent}/{leaf}"] = f"{parent}.{leaf}".encode()
                batch.create(f"/{parent}/{leaf}", made[f"/{parent}/{leaf}"])
    return made


@pytest.mark.parametrize("known", [True, False], ids=["this server", "one before 3.6"])
def test_every_node_once(
    zk: sparkeeper.Coordinator, proxy: Proxy, coordinator: Callable[..., sparkeeper.Coordinator], known
) -> None:
    made = plant(zk, 30, 40)
    if not known:
        proxy.unknown.add(Op.MULTI_READ)
    before, links = proxy.requests.total(), proxy.accepted
    through = coordinator(to=f"127.0.0.1:{proxy.port}")
    assert walk(through) == made
    asked = proxy.requests.total() - before
    if known:
        # 1,231 nodes and 31 listings, 64 in one request once it is seen that they are small.
        assert asked < 150
    else:
        assert asked > len(made)
        # It was asked once: it breaks the connection with every request that it does not know.
        assert proxy.accepted - links <= 3


def test_large_nodes_are_asked_for_one_by_one(zk: sparkeeper.Coordinator) -> None:
    large = {f"/large/{n}": bytes([n]) * 700_000 for n in range(24)}
    for path, data in large.items():
        zk.create(path, data)
    found = walk(zk, "/large")
    assert found.pop("/large") == b""
    assert found == large


def test_a_node_that_may_not_be_read_is_named(
    zk: sparkeeper.Coordinator, coordinator: Callable[..., sparkeeper.Coordinator]
) -> None:
    plant(zk, 3, 3)
    owner = coordinator(auth=("digest", "me:secret"), acl="creator")
    owner.create("/1/hidden", b"")
    with pytest.raises(NotAuthorized, match="/1/hidden"):
        walk(zk)
