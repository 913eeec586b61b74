"""Reading a subtree's changes as a stream: each once, from the offset that Spark keeps.

One process follows the subtree with a cache. The first batch of a run compares the subtree with what earlier batches
told, and says in its offset, under `caught_up`, where it did so after a gap; the next ones have each change that the
cache saw. Every batch is written down before Spark hears of its offset, see `data_source_journal`. An offset says too,
under `of`, which nodes the stream is of: beside others, those that were told would seem deleted.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from pyspark.sql.datasource import SimpleDataSourceStreamReader

from sparkeeper.exceptions import HistoryLost, NotAuthorized
from sparkeeper.spark.data_source_changes import Change, compare, learn, rows
from sparkeeper.spark.data_source_columns import chosen, select
from sparkeeper.spark.data_source_journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql.types import StructType

    from sparkeeper._sparkeeper import CacheSnapshot
    from sparkeeper.coordinator import Coordinator
    from sparkeeper.spark.data_source_options import StreamOptions

try:
    from pyspark.sql.streaming.datasource import SupportsTriggerAvailableNow
except ImportError:  # before 4.2, where Spark ends such a query after one batch by itself

    class SupportsTriggerAvailableNow:  # type: ignore[no-redef]
        """Nothing."""


class TreeStream(SimpleDataSourceStreamReader, SupportsTriggerAvailableNow):
    """Reads changes."""

    def __init__(self, options: StreamOptions, schema: StructType) -> None:
        """Check the schema."""
        self._options = options
        self._columns = chosen(schema)
        self._follower: Follower | None = None
        self._last: bool | None = None
        """With `availableNow`: whether what there is now has been told."""

    def initialOffset(self) -> dict[str, Any]:  # noqa: N802 - Spark's name
        """Begin a stream: its name leads to its state."""
        return {"stream": uuid.uuid4().hex, "batch": 0, "of": self._options.subject}

    def prepareForTriggerAvailableNow(self) -> None:  # noqa: N802 - Spark's name
        """Tell what there is, and no more."""
        self._last = False

    def read(self, start: dict[str, Any]) -> tuple[Iterator[Any], dict[str, Any]]:
        """Return the changes since an offset, and the offset behind them.

        Raises:
            ConfigError: The offset is of a stream of other nodes.
            HistoryLost: The state is older than the offset.
            NotAuthorized: One of the nodes may not be read.
            Fenced: Another run of the query goes on.
        """
        self._options.check_subject(start)
        if self._follower is None or self._follower.stream != start["stream"]:
            self._follower = Follower(self._options, start["stream"])
        journal = self._follower.journal
        if start["batch"] > journal.head.batch:
            raise HistoryLost(
                f"read a stream from batch {start['batch']}: its state in {self._options.state} is at "
                f"{journal.head.batch}; it was deleted or restored from an old copy: start the query with a new "
                "checkpoint"
            )
        # Else there is a batch that a run wrote down and Spark did not hear of.
        if start["batch"] == journal.head.batch and not self._advance(self._follower):
            return iter(()), start if "of" in start else {**start, "of": self._options.subject}
        head = journal.head
        found = [select(batch, self._columns) for batch in journal.rows(start["batch"], head.batch)]
        end = {"stream": start["stream"], "batch": head.batch, "zxid": head.zxid, "caught_up": head.caught_up}
        return iter([batch for batch in found if batch.num_rows]), {**end, "of": self._options.subject}

    def _advance(self, follower: Follower) -> bool:
        if self._last:
            return False
        if self._last is False:
            self._last = True
        return follower.advance()

    def readBetweenOffsets(self, start: dict[str, Any], end: dict[str, Any]) -> Iterator[Any]:  # noqa: N802 - Spark's
        """Read the same again, in a task."""
        self._options.check_subject(end)
        # A first batch that is repeated begins at a new offset: nothing was told before.
        after = start["batch"] if start["stream"] == end["stream"] else 0
        with self._options.connection.open() as zk:
            for batch in Journal(zk, self._options.state, end["stream"]).rows(after, end["batch"]):
                yield select(batch, self._columns)

    def commit(self, end: dict[str, Any]) -> None:
        """Forget what Spark has committed."""
        if self._follower is not None and self._follower.stream == end["stream"]:
            self._follower.journal.drop(end["batch"])


class Follower:
    """The subtree as one run of a query follows it."""

    def __init__(self, options: StreamOptions, stream: str) -> None:
        """Read what was told."""
        self.stream = stream
        self._options = options
        self._zk: Coordinator = options.connection.open()
        self.journal = Journal(self._zk, options.state, stream)
        self._known = self.journal.known()
        self._root = "/" + options.path.strip("/")
        self._scope = options.scope()
        self.followed = False
        self._gap = False
        self._covered = 0

    def advance(self) -> bool:
        """Write the next batch down; False where nothing happened."""
        first, told = not self.followed, self.journal.head.batch > 0
        changes = self._compared() if first else self._changed()
        learn(self._known, changes)
        if first and not told and self._options.starting == "now":
            self.journal.append(rows([], self._options.decode), self._known, zxid=self._covered, whole=True)
            return True
        if not changes:
            return False
        gap, self._gap = self._gap, False
        zxid = max(change.zxid for change in changes)
        batch = rows(changes, self._options.decode)
        self.journal.append(batch, self._known, zxid=zxid, caught_up=gap or (first and told))
        return True

    def _compared(self) -> list[Change]:
        # So that a server that lags does not make a change of long ago a change after this run's beginning.
        self._zk.sync(self._root)
        self._cache = self._zk.cache(self._root)
        self._events = self._cache.events(timeout=0)
        snapshot = self._readable()
        self._zk.on_state(self._heard)
        self.followed, self._covered = True, snapshot.zxid
        nodes = {path: snapshot[below] for below in snapshot if self._ours(path := self._absolute(below))}
        deaths: dict[str, int] = {}
        return compare(self._known, nodes, lambda path: self._died(path, deaths))

    def _readable(self) -> CacheSnapshot:
        snapshot = self._cache.snapshot()
        for below in snapshot.hidden:
            path = self._absolute(below)
            if self._scope.concerns(path) and not self._is_state(path):
                # What was heard is not told: whoever tries again compares.
                self.followed = False
                raise NotAuthorized(
                    f"follow '{path}': its ACL does not let this session read it, so that its changes would be missed; "
                    "check auth and acl, or leave it out by glob"
                )
        return snapshot

    def _changed(self) -> list[Change]:
        found = []
        for event in self._events:
            path = self._absolute(event.path)
            if event.zxid > self._covered and self._ours(path):
                node = None if event.kind == "DELETED" else (event.data, event.stat)
                found.append(Change(event.kind, path, event.zxid, node))
        self._readable()
        return found

    def _heard(self, state: str) -> None:
        # What is missed meanwhile the cache finds by comparing.
        self._gap = self._gap or state in {"SUSPENDED", "EXPIRED"}

    def _absolute(self, below: str) -> str:
        return f"{self._root.rstrip('/')}/{below}" if below else self._root

    def _ours(self, path: str) -> bool:
        return path in self._scope and not self._is_state(path)

    def _is_state(self, path: str) -> bool:
        state = "/" + self._options.state.strip("/")
        return path == state or path.startswith(f"{state}/")

    def _died(self, path: str, deaths: dict[str, int]) -> int:
        """Return the first change after which the server is known to have been without a node."""
        above = path.rpartition("/")[0] or "/"
        if above not in deaths:
            stat = self._zk.exists(above)
            deaths[above] = self._died(above, deaths) if stat is None and above != "/" else stat.pzxid if stat else 0
        return deaths[above]
