"""Payloads and results of tasks: JSON in the task's node, or in a file of a shared directory where that is large.

A node has the JSON itself, or `@` and what names a file: its name, its size, its digest. A file is made before the node
that names it, under a name that nobody else uses, and deleted by whoever deletes the node for good; a process that
dies in between, or a submission that repeats an earlier one, leaves a file that nobody names.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import uuid
from typing import TYPE_CHECKING, Any

from sparkeeper import _schema
from sparkeeper._sparkeeper import Location
from sparkeeper.exceptions import ConfigError, PayloadTooLarge, SparkeeperError

if TYPE_CHECKING:
    from sparkeeper.spark.files import Files

_LOG = logging.getLogger(__name__)

LARGEST = 64 * 1024
"""Bytes that a node holds; what is larger needs a file."""

_NAMES_A_FILE = b"@"


class Values:
    """Writes and reads values, with a directory for large ones, or without."""

    def __init__(self, directory: str | os.PathLike[str] | None) -> None:
        """Use the directory, an absolute path or an `s3a:` URI that every process reaches."""
        self.directory = None if directory is None else os.fspath(directory)
        self._location = None if self.directory is None else Location(self.directory)
        self._files: Files | None = None

    def write(self, value: object, what: str) -> bytes:
        """Return what a node is to hold for a value.

        Raises:
            ConfigError: It is no JSON, or its file cannot be written.
            PayloadTooLarge: It has more than 64 KiB, and there is no directory.
        """
        return self.put(encode(value, what), what)

    def put(self, data: bytes, what: str) -> bytes:
        """As `write`, for what is encoded already."""
        if len(data) <= LARGEST:
            return data
        if self._location is None:
            raise PayloadTooLarge(
                f"{what}: {len(data)} bytes of JSON, and a task's node holds {LARGEST}; "
                "give tasks a directory for such values, or keep it in a file, and give its path"
            )
        name = f"{uuid.uuid4().hex}.json"
        try:
            self._open().publish(name, data)
        except OSError as error:
            raise ConfigError(
                f"{what}: {len(data)} bytes of JSON need a file, and {self.directory}/{name} cannot be written: {error}"
                "; give tasks a directory that every process may write"
            ) from error
        named = {"file": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        return _NAMES_A_FILE + json.dumps(named).encode()

    def read(self, data: bytes, what: str) -> Any:  # noqa: ANN401 - any JSON
        """Return the value of a node; tuples come back as lists.

        Raises:
            SparkeeperError: Its file is missing or damaged, or it is no JSON.
            ConfigError: It is in a file, and there is no directory.
        """
        if data.startswith(_NAMES_A_FILE):
            named = json.loads(data[1:])
            if self._location is None:
                raise ConfigError(f"{what}: it is in the file {named['file']}; give tasks the directory that has it")
            found = self._open().read(named["file"])
            if found is None or hashlib.sha256(found).hexdigest() != named["sha256"]:
                state = "missing" if found is None else "not what was written"
                raise SparkeeperError(f"{what}: its file {self.directory}/{named['file']} is {state}")
            data = found
        try:
            return json.loads(data)
        except ValueError as error:
            raise SparkeeperError(
                f"{what}: it is no JSON ({error}); where a plain queue has the path of tasks, give it another"
            ) from error

    def forget(self, data: bytes) -> None:
        """Delete the file that a node named, where it did and we can."""
        if not data.startswith(_NAMES_A_FILE) or self._location is None:
            return
        name = json.loads(data[1:])["file"]
        try:
            self._open().delete([name])
        except OSError as error:
            _LOG.warning("file %s/%s is needed no more and cannot be deleted: %s", self.directory, name, error)

    def _open(self) -> Files:
        if self._files is None:
            assert self._location is not None  # noqa: S101 - callers looked
            if self._location.scheme == "file":
                from sparkeeper.spark.local_files import LocalFiles  # noqa: PLC0415 - only where there is a directory

                self._files = LocalFiles(self._location.path)
            else:
                from sparkeeper.spark.arrow_files import open_arrow  # noqa: PLC0415 - as above

                self._files = open_arrow(self._location)
        return self._files


def encode(value: object, what: str) -> bytes:
    """Return a value as JSON.

    Raises:
        ConfigError: It is none.
    """
    try:
        return _schema.to_text(None, value).encode()
    except (_schema.Misfit, UnicodeEncodeError) as error:
        raise ConfigError(
            f"{what}: {error}; give JSON: None, booleans, finite numbers, text, lists, and mappings from text to these"
        ) from None
