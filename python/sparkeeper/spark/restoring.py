"""Restoring: what was live at an earlier version becomes live again, as a new version."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from sparkeeper.exceptions import CorruptManifest
from sparkeeper.spark.attempt import Request, write
from sparkeeper.spark.content import Present
from sparkeeper.spark.history import History
from sparkeeper.spark.opening import open_table
from sparkeeper.spark.progress import silent

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from sparkeeper._sparkeeper import Coordinator
    from sparkeeper.spark.place import Place
    from sparkeeper.spark.records import Commit


def restore(zk: Coordinator, spark: SparkSession, place: Place, version: int, *, job_id: str | None) -> Commit:
    """Commit the files of `version` as the newest one."""
    history = History(place.files, open_table(zk, place, create=False))
    live = history.live(version)
    there = {found.path for found in place.files.walk("")}
    missing = [path for path, _, _ in live if path not in there]
    if missing:
        raise CorruptManifest(
            f"restore {history.place} to version {version}: {len(missing)} of its {len(live)} files are missing, such "
            f"as {missing[0]}; put them back, or restore another version"
        )
    content = Present(
        spark,
        operation="restore",
        shape=history.since(version - 1)[0]["shape"],
        files=live,
        parameters={"restored": str(version)},
        source=version,
    )
    return write(
        Request(
            zk=zk,
            place=place,
            content=content,
            job_id=job_id if job_id is not None else uuid.uuid4().hex,
            guard=None,
            progress=silent(),
        )
    )
