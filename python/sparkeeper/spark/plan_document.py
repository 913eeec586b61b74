"""A published partition plan as JSON that an operator can read in zkCli."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

import pyarrow as pa

from sparkeeper._sparkeeper import Certificate
from sparkeeper.exceptions import ConfigError
from sparkeeper.spark.plan_keys import dumps, loads

if TYPE_CHECKING:
    from typing import Any

    from sparkeeper.spark.plan_keys import Json

FORMAT = "sparkeeper.partition_plan.v1"


class PlannedKey(NamedTuple):
    """One key, as the JSON values of its columns, its partition, and its rows when the plan was made."""

    values: tuple[Json, ...]
    partition: int
    weight: int


@dataclass(frozen=True)
class PlanDocument:
    """Everything that stands in the znode."""

    name: str
    version: int
    by: tuple[str, ...]
    types: tuple[str, ...]
    partitions: int
    weights: str
    split_heavy: bool
    certificate: Certificate
    created_by: str
    created_at: str
    keys: tuple[PlannedKey, ...]

    def to_json(self) -> bytes:
        """One line for each key, so that the text can be read and compared."""
        head: dict[str, Json] = {
            "format": FORMAT,
            "version": self.version,
            "name": self.name,
            "columns": [{"by": by, "type": kind} for by, kind in zip(self.by, self.types, strict=True)],
            "partitions": self.partitions,
            "weights": self.weights,
            "split_heavy": self.split_heavy,
            "created_by": self.created_by,
            "created_at": self.created_at,
            "certificate": loads(self.certificate.to_json()),
        }
        lines = [f"{dumps(name)}: {dumps(value)}" for name, value in head.items()]
        keys = ",\n".join(
            dumps({"key": list(key.values), "partition": key.partition, "weight": key.weight}) for key in self.keys
        )
        lines.append(f'"keys": [\n{keys}\n]')
        return ("{\n" + ",\n".join(lines) + "\n}\n").encode()

    @classmethod
    def from_json(cls, data: bytes, path: str) -> PlanDocument:
        """Read what `to_json` wrote, and check the certificate against it.

        Raises:
            ConfigError: `path` holds something else, or a plan that was changed by hand.
        """
        try:
            document = _parse(data)
            document.certificate.verify(
                pa.array([key.weight for key in document.keys], pa.int64()),
                document.partitions,
                pa.array([key.partition for key in document.keys], pa.int64()),
            )
        except (ArithmeticError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"{path} holds no partition plan that this version of Sparkeeper can use: {error}; "
                "delete the node to have the plan computed again, or use another name"
            ) from error
        return document


def _parse(data: bytes) -> PlanDocument:
    # What does not have these shapes fails in the caller, which names the node.
    fields = cast("dict[str, Any]", loads(data.decode()))
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise ValueError(f"expected the format {FORMAT}, found {data[:80]!r}")
    keys = tuple(PlannedKey(tuple(row["key"]), int(row["partition"]), int(row["weight"])) for row in fields["keys"])
    if len({dumps(list(key.values)) for key in keys}) != len(keys):
        raise ValueError("a key stands in it twice")
    return PlanDocument(
        name=str(fields["name"]),
        version=int(fields["version"]),
        by=tuple(str(column["by"]) for column in fields["columns"]),
        types=tuple(str(column["type"]) for column in fields["columns"]),
        partitions=int(fields["partitions"]),
        weights=str(fields["weights"]),
        split_heavy=bool(fields["split_heavy"]),
        certificate=Certificate.from_json(dumps(fields["certificate"])),
        created_by=str(fields["created_by"]),
        created_at=str(fields["created_at"]),
        keys=keys,
    )
