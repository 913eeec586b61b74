"""What a stream of changes has told, kept in znodes: a batch that Spark asks for again is the same.

ZooKeeper keeps no history, so a batch is written down before its offset is given to Spark, and kept until Spark has
committed it. `<state>/<stream>` is the head: the last batch, and which pages hold what. Its children are pages of
512 KiB under names of their own, compressed Arrow. The head is only ever replaced at the version that was read, so
two runs of one query cannot both go on. Pages that no head names are left-overs; they go with the next clean-up.
"""

from __future__ import annotations

import json
import uuid
import zlib
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sparkeeper.exceptions import BadVersion, ConnectionLost, Fenced, HistoryLost, NodeExists, NoNode
from sparkeeper.spark.data_source_changes import Known, known_rows, learn_rows

if TYPE_CHECKING:
    import pyarrow as pa

    from sparkeeper.coordinator import Coordinator

PAGE = 512 * 1024
NOTES = 64
"""Batches, and rows in them, after which the whole that is known is written down again."""
NOTED_ROWS = 1024


@dataclass(frozen=True)
class Pages:
    """Where a record batch is."""

    name: str
    count: int
    rows: int


@dataclass(frozen=True)
class Head:
    """The state of a stream."""

    batch: int = 0
    zxid: int = 0
    caught_up: bool = False
    base: int = 0
    """The batch up to which `whole` has everything; batches behind it are the rest."""
    whole: Pages | None = None
    batches: dict[int, Pages] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return it as the node's data."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, data: bytes) -> Head:
        """Read a node's data."""
        found = json.loads(data)
        found["whole"] = found["whole"] and Pages(**found["whole"])
        found["batches"] = {int(number): Pages(**pages) for number, pages in found["batches"].items()}
        return cls(**found)


class Journal:
    """The state of one stream."""

    def __init__(self, zk: Coordinator, state: str, stream: str) -> None:
        """Read the head; there is none before the first batch."""
        self._zk = zk
        self._place = f"{state.rstrip('/')}/{stream}"
        self.head = Head()
        self._version: int | None = None
        try:
            data, stat = zk.get(self._place)
        except NoNode:
            return
        self.head, self._version = Head.decode(data), stat.version

    def known(self) -> Known:
        """Return what was told up to the last batch."""
        known: Known = {}
        if self.head.whole is not None:
            learn_rows(known, self._read(self.head.whole))
        for batch in self.rows(self.head.base, self.head.batch):
            learn_rows(known, batch)
        return known

    def rows(self, after: int, last: int) -> list[pa.RecordBatch]:
        """Return the batches behind `after`, up to `last`.

        Raises:
            HistoryLost: One is not kept, or not any more.
        """
        missing = [number for number in range(after + 1, last + 1) if number not in self.head.batches]
        if missing:
            raise HistoryLost(
                f"read a stream's batch {missing[0]}: its state at {self._place} has it no more, or not yet (it has "
                f"{sorted(self.head.batches)}); a checkpoint that was taken back, or a state that was deleted, cannot "
                "be replayed: start the query with a new checkpoint"
            )
        return [self._read(self.head.batches[number]) for number in range(after + 1, last + 1)]

    def append(
        self, batch: pa.RecordBatch, known: Known, *, zxid: int, caught_up: bool = False, whole: bool = False
    ) -> None:
        """Write the next batch down, after which `known` is known: all of that, too, where the batch does not tell it.

        Raises:
            Fenced: Another run of the query went on.
        """
        number = self.head.batch + 1
        pages = self._write(batch)
        head = replace(
            self.head, batch=number, zxid=zxid, caught_up=caught_up, batches={**self.head.batches, number: pages}
        )
        since = [pages.rows for noted, pages in head.batches.items() if noted > head.base]
        if whole or len(since) >= NOTES or sum(since) > max(NOTED_ROWS, len(known)):
            head = replace(head, base=number, whole=self._write(known_rows(known)))
        self._publish(head)

    def drop(self, last: int) -> None:
        """Forget the batches up to `last`, as far as what is known does not rest on them."""
        done = [number for number in self.head.batches if number <= min(last, self.head.base)]
        if not done:
            return
        left = {number: pages for number, pages in self.head.batches.items() if number not in done}
        self._publish(replace(self.head, batches=left))
        kept = {pages.name for pages in (*left.values(), self.head.whole) if pages is not None}
        for name in self._zk.children(self._place):
            if name.rpartition("-")[0] not in kept:
                self._zk.delete(f"{self._place}/{name}")

    def _publish(self, head: Head) -> None:
        data = head.encode()
        try:
            if self._version is None:
                self._zk.create(self._place, data)
                self._version = 0
            else:
                self._version = self._zk.set(self._place, data, self._version).version
        except (BadVersion, NodeExists, NoNode, ConnectionLost) as error:
            found = self._found()
            if found is None or found[0] != data:
                if isinstance(error, ConnectionLost):
                    raise
                raise Fenced(
                    f"write a stream's state at {self._place}: another run of this query wrote it in between, or "
                    "somebody deleted it; a query runs once at a time: stop the other one, and start this one again"
                ) from error
            # Ours: only the reply was lost.
            self._version = found[1]
        self.head = head

    def _found(self) -> tuple[bytes, int] | None:
        try:
            data, stat = self._zk.get(self._place)
        except NoNode:
            return None
        return data, stat.version

    def _write(self, batch: pa.RecordBatch) -> Pages:
        import pyarrow as pa  # noqa: PLC0415 - where a stream is read

        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        data = zlib.compress(sink.getvalue().to_pybytes(), level=1)
        pages = Pages(uuid.uuid4().hex, -(-len(data) // PAGE), batch.num_rows)
        if self._version is None and self._zk.exists(self._place) is None:
            # Their parent; a head that says nothing was told.
            self._publish(self.head)
        for page in range(pages.count):
            self._zk.create(f"{self._place}/{pages.name}-{page}", data[page * PAGE : (page + 1) * PAGE])
        return pages

    def _read(self, pages: Pages) -> Any:  # noqa: ANN401 - PyArrow ships no types
        import pyarrow as pa  # noqa: PLC0415 - as above

        names = [f"{self._place}/{pages.name}-{page}" for page in range(pages.count)]
        try:
            data = zlib.decompress(b"".join(self._zk.get(name)[0] for name in names))
        except NoNode as error:
            raise HistoryLost(
                f"read a stream's state at {self._place}: {error}; start the query with a new checkpoint"
            ) from error
        with pa.ipc.open_stream(data) as reader:
            return reader.read_next_batch()
