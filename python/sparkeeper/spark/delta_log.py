"""The optional mirror `_delta_log`: readers of Delta tables (DuckDB, Polars, delta-rs) see the same snapshots.

It is for reading. Version 0 holds everything that was live when it was begun, each later one what one commit changed;
what is written follows from the manifests alone, as for Spark's mirror. Form: the Delta transaction protocol.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sparkeeper._sparkeeper import partition_values
from sparkeeper.exceptions import ConfigError, CorruptManifest
from sparkeeper.spark import names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sparkeeper.spark.files import Files
    from sparkeeper.spark.history import History

_START = f"{names.DELTA}/_sparkeeper.json"


def begin(files: Files, history: History, version: int) -> None:
    """Begin the mirror with the snapshot of `version`; one that is there stays.

    Raises:
        ConfigError: The table's files are not parquet, or another writer's log is there.
    """
    manifest = history.since(version - 1)[0]
    if manifest["shape"]["format"] != "parquet":
        raise ConfigError(
            f"table {history.place}: a Delta table has parquet files, these are {manifest['shape']['format']}; "
            "overwrite it as parquet first"
        )
    present = files.names(names.DELTA)
    if _started(files) is None and any(name.endswith(".json") for name in present):
        raise ConfigError(f"table {history.place}: its {names.DELTA} is another writer's; move it away first")
    whole = {**manifest, "added": _listed(history, version), "removed": []}
    contents = [(_name(0), _content(whole)), ("_sparkeeper.json", json.dumps({"first": version}).encode())]
    files.publish_directory(names.DELTA, contents)


def refuse(files: Files, form: str) -> None:
    """Refuse files of another form where there is a log: it can name parquet files only.

    Raises:
        ConfigError: There is one.
    """
    if form != "parquet" and _started(files) is not None:
        raise ConfigError(
            f"table {files.root}: its {names.DELTA} cannot name files of {form}; write parquet, or delete that first"
        )


def publish(files: Files, history: History) -> int:
    """Publish the commits that the mirror lacks, in order, where there is one; return how many they were."""
    present = files.names(names.DELTA)
    first = _started(files) if present else None
    if first is None or history.head is None:
        return 0
    numbers = [int(name.removesuffix(".json")) for name in present if name.removesuffix(".json").isdigit()]
    published = first + max(numbers, default=-1)
    manifests = history.since(published) if names.version(history.head) > published else []
    for manifest in manifests:
        files.publish(f"{names.DELTA}/{_name(manifest['version'] - first)}", _content(manifest))
    return len(manifests)


def _started(files: Files) -> int | None:
    """Return the version that the mirror's version 0 is; None where it is none of ours."""
    data = files.read(_START)
    if data is None:
        return None
    try:
        return int(json.loads(data)["first"])
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptManifest(f"{files.root}/{_START} does not say where the log begins: {error}") from error


def _listed(history: History, version: int) -> list[dict[str, Any]]:
    """Return the files that are live at a version, as manifests list them."""
    return [
        {"path": path, "size": size, "modified": modified, "partition": partition_values(path)}
        for path, size, modified in history.live(version)
    ]


def _content(manifest: dict[str, Any]) -> bytes:
    return "".join(json.dumps(action, ensure_ascii=False) + "\n" for action in _actions(manifest)).encode()


def _actions(manifest: dict[str, Any]) -> Iterable[dict[str, Any]]:
    shape, made = manifest["shape"], manifest["made"]
    yield {
        "commitInfo": {
            "timestamp": made,
            "operation": manifest["operation"].upper(),
            "operationParameters": manifest.get("parameters", {}),
            "engineInfo": "sparkeeper",
            "sparkeeperVersion": manifest["version"],
        }
    }
    yield {"protocol": _protocol(shape["schema"])}
    yield {
        "metaData": {
            "id": manifest["table"],
            "format": {"provider": "parquet", "options": {}},
            "schemaString": json.dumps(shape["schema"]),
            "partitionColumns": shape.get("partition_by", []),
            "configuration": {},
        }
    }
    if "batch" in manifest:
        yield {"txn": {"appId": manifest["batch"]["app_id"], "version": manifest["batch"]["batch"]}}
    for path in manifest.get("removed", ()):
        yield {"remove": {"path": quote(path, safe="/="), "deletionTimestamp": made, "dataChange": True}}
    for file in manifest["added"]:
        yield {
            "add": {
                "path": quote(file["path"], safe="/="),
                "partitionValues": {name: file.get("partition", {})[name] for name in shape.get("partition_by", [])},
                "size": file["size"],
                "modificationTime": file["modified"],
                "dataChange": True,
            }
        }


def _protocol(schema: dict[str, Any]) -> dict[str, Any]:
    """Return what a reader must know of; columns of `timestamp_ntz` are a feature of their own."""
    if '"timestamp_ntz"' in json.dumps(schema):
        features = ["timestampNtz"]
        return {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features}
    return {"minReaderVersion": 1, "minWriterVersion": 2}


def _name(version: int) -> str:
    return f"{version:020d}.json"
