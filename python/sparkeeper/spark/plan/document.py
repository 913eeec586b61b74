"""A partition plan as JSON that an operator can read in zkCli."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, cast

from sparkeeper._sparkeeper import Certificate
from sparkeeper.exceptions import ConfigError
from sparkeeper.spark.plan.balance import certificate_input
from sparkeeper.spark.plan.certify import certified, verify
from sparkeeper.spark.plan.text import dumps, loads

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from sparkeeper.spark.plan.balance import Pieces, Was
    from sparkeeper.spark.plan.text import Json

FIRST_FORMAT = "sparkeeper.partition_plan.v1"
FORMAT = "sparkeeper.partition_plan.v2"
_BUCKETS_PER_LINE = 16


class PlannedKey(NamedTuple):
    """One key, or one bucket.

    Attributes:
        values: The JSON values of its columns, or the bucket's number.
        pieces: (partition, weight), the heaviest first; one, unless the key is spread over several partitions.
        was: Where each piece was in the version before; None where there was none.
    """

    values: tuple[Json, ...]
    pieces: Pieces
    was: Was | None = None

    @property
    def weight(self) -> int:
        """What it weighed when it was planned, in the plan's unit."""
        return sum(weight for _, weight in self.pieces)

    @property
    def partition(self) -> int:
        """Where it is, or its heaviest piece."""
        return self.pieces[0][0]


@dataclass(frozen=True)
class PlanDocument:
    """Everything that a version of a plan holds.

    Attributes:
        unit: What 1 in the weights and loads stands for.
        buckets: How many hash buckets stand for the keys; None where each stands for itself.
        plain: The loads that Spark's own hash placement gives; None where buckets do not tell.
        replaced: The version that this one was made from; None for the first.
    """

    name: str
    version: int
    by: tuple[str, ...]
    types: tuple[str, ...]
    partitions: int
    weights: str
    unit: Decimal
    split_heavy: bool
    buckets: int | None
    plain: tuple[int, ...] | None
    replaced: int | None
    certificate: Certificate
    created_by: str
    created_at: str
    keys: tuple[PlannedKey, ...]

    def to_json(self) -> bytes:
        """One line for each key, or for 16 buckets, so that the text can be read and compared."""
        head: dict[str, Json] = {
            "format": FORMAT,
            "version": self.version,
            "name": self.name,
            "columns": [{"by": by, "type": kind} for by, kind in zip(self.by, self.types, strict=True)],
            "partitions": self.partitions,
            "weights": self.weights,
            "unit": str(self.unit),
            "split_heavy": self.split_heavy,
            "buckets": self.buckets,
            "replaced": self.replaced,
            "created_by": self.created_by,
            "created_at": self.created_at,
            "plain_loads": list(self.plain) if self.plain is not None else None,
            "certificate": loads(self.certificate.to_json()),
        }
        lines = [f"{dumps(name)}: {dumps(value)}" for name, value in head.items()]
        keys = [dumps(_row(key, bare=self.buckets is not None)) for key in self.keys]
        width = _BUCKETS_PER_LINE if self.buckets is not None else 1
        body = ",\n".join(",".join(keys[start : start + width]) for start in range(0, len(keys), width))
        lines.append(f'"keys": [\n{body}\n]')
        return ("{\n" + ",\n".join(lines) + "\n}\n").encode()

    @classmethod
    def from_json(cls, data: bytes, path: str) -> PlanDocument:
        """Read what `to_json` wrote, or the first version of Sparkeeper, and check the certificate against it.

        Raises:
            ConfigError: `path` holds something else, or a plan that was changed by hand.
        """
        try:
            document = _parse(data)
            pieces = [key.pieces for key in document.keys]
            was = [key.was for key in document.keys if key.was is not None] if document.replaced is not None else None
            verify(document.certificate, *certificate_input(pieces, was, document.partitions))
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise ConfigError(
                f"{path} holds no partition plan that this version of Sparkeeper can use: {error}; "
                f"delete it, zk.delete({path!r}, recursive=True), to have the plan computed again, or use another name"
            ) from error
        return document


def _row(key: PlannedKey, *, bare: bool) -> Json:
    """A key by its fields; a bucket, of which there are many, by their values."""
    places: dict[str, Json] = {}
    if len(key.pieces) == 1:
        (partition, weight) = key.pieces[0]
        places = {"partition": partition, "weight": weight}
        was: Json = key.was[0] if key.was is not None else partition
        moved = was != partition
    else:
        places = {
            "partition": [partition for partition, _ in key.pieces],
            "weight": [weight for _, weight in key.pieces],
        }
        was = list(key.was) if key.was is not None else None
        moved = key.was is not None and was != places["partition"]
    if moved:
        places["was"] = was
    return list(places.values()) if bare else {"key": list(key.values), **places}


def _parse(data: bytes) -> PlanDocument:
    # What does not have these shapes fails in the caller, which names the node.
    fields = cast("dict[str, Any]", loads(data.decode()))
    if not isinstance(fields, dict) or fields.get("format") not in {FIRST_FORMAT, FORMAT}:
        raise ValueError(f"expected the format {FORMAT}, found {data[:80]!r}")
    first = fields["format"] == FIRST_FORMAT
    buckets, replaced = (None, None) if first else (fields["buckets"], fields["replaced"])
    rows = fields["keys"]
    if buckets is None:
        keys = tuple(_key(row["key"], row, again=replaced is not None) for row in rows)
    else:
        shapes = (dict(zip(("partition", "weight", "was"), row, strict=False)) for row in rows)
        keys = tuple(_key([number], row, again=replaced is not None) for number, row in enumerate(shapes))
        if len(keys) != buckets:
            raise ValueError(f"{len(keys)} buckets stand in it, not {buckets}")
    if len({dumps(list(key.values)) for key in keys}) != len(keys):
        raise ValueError("a key stands in it twice")
    partitions, plain = int(fields["partitions"]), None if first else fields["plain_loads"]
    if not all(0 <= place < partitions for key in keys for place, _ in key.pieces):
        raise ValueError(f"a key is in a partition that is none of the {partitions}")
    if plain is not None and len(plain) != partitions:
        raise ValueError(f"plain_loads has {len(plain)} loads, not {partitions}")
    return PlanDocument(
        name=str(fields["name"]),
        version=int(fields["version"]),
        by=tuple(str(column["by"]) for column in fields["columns"]),
        types=tuple(str(column["type"]) for column in fields["columns"]),
        partitions=partitions,
        weights=str(fields["weights"]),
        unit=Decimal(1 if first else fields["unit"]),
        split_heavy=bool(fields["split_heavy"]),
        buckets=buckets,
        plain=tuple(map(int, plain)) if plain is not None else None,
        replaced=replaced,
        certificate=_first_certificate(fields, keys) if first else Certificate.from_json(dumps(fields["certificate"])),
        created_by=str(fields["created_by"]),
        created_at=str(fields["created_at"]),
        keys=keys,
    )


def _first_certificate(fields: dict[str, Any], keys: Sequence[PlannedKey]) -> Certificate:
    """Certify a plan of the first version anew: its digest was of less, and nothing else of it is lost."""
    certificate = certified(*certificate_input([key.pieces for key in keys], None, int(fields["partitions"])))
    if certificate.loads != fields["certificate"]["loads"]:
        raise ValueError("the certificate does not belong to this assignment: its loads differ from what the keys give")
    return certificate


def _key(values: Sequence[Json], row: dict[str, Any], *, again: bool) -> PlannedKey:
    places, weights = row["partition"], row["weight"]
    single = not isinstance(places, list)
    pieces = ((int(places), int(weights)),) if single else tuple(zip(map(int, places), map(int, weights), strict=True))
    if not pieces:
        raise ValueError(f"key {values} is nowhere")
    was: Was | None = None
    if again:
        old = row.get("was", places)
        was = (old,) if single else tuple(old)
        if len(was) != len(pieces):
            raise ValueError(f"key {values} was in other pieces than it is")
    return PlannedKey(tuple(values), pieces, was)
