"""The options of the data source `zookeeper`: what may be given, and what is wrong with what was."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sparkeeper._sparkeeper import TreeScope
from sparkeeper.connection import ENVIRONMENT, connect
from sparkeeper.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyspark.sql import SparkSession

    from sparkeeper.coordinator import Coordinator

PREFIX = "spark.zookeeper."
CONNECTION = (
    "connect",
    "namespace",
    "session.timeout",
    "auth",
    "acl",
    "tls.ca",
    "tls.cert",
    "tls.key",
    "tls.check_hostname",
)
WRITING = ("path", "guard", "guard_version", "guard_token")
STREAMING = ("path", "depth", "glob", "decode", "state", "starting")
READING = ("path", "depth", "glob", "decode", "partitions", "push_filters")
PATIENCE = 30.0
"""Seconds that a task goes on trying to connect: another try of the whole task costs more."""


def session_settings(spark: SparkSession) -> dict[str, str]:
    """Return what a session says of the connection, by option."""
    found = {name: spark.conf.get(PREFIX + name, None) for name in CONNECTION}
    return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True)
class Connection:
    """How a task connects; it travels to where tasks run."""

    settings: Mapping[str, str] = field(repr=False)
    """May hold a secret."""

    def open(self) -> Coordinator:
        """Connect.

        Raises:
            ConnectionLost: No server answered in time.
        """
        return connect(_AsSession(self.settings), timeout=PATIENCE)  # type: ignore[arg-type]

    @property
    def namespace(self) -> str:
        """What is put before every path: the connect string's chroot and the namespace."""
        parts = (self.settings["connect"].partition("/")[2], self.settings.get("namespace", ""))
        return "/" + "/".join(part.strip("/") for part in parts if part.strip("/"))


class _AsSession:
    """Options where `connect` looks a session's settings up."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        self.conf = self

    def get(self, name: str, default: str | None) -> str | None:
        return self._settings.get(name.removeprefix(PREFIX), default)


class Options:
    """Given options, by their names in lower case; each is asked for by what it must be."""

    def __init__(self, given: Mapping[str, str], defaults: Mapping[str, str], known: Sequence[str]) -> None:
        """Take them.

        Raises:
            ConfigError: One is unknown, or no ensemble is named.
        """
        short = {name.lower().removeprefix(PREFIX): value for name, value in given.items()}
        unknown = sorted(set(short) - {*CONNECTION, *known})
        if unknown:
            raise ConfigError(
                f'format("zookeeper"): there is no option {unknown[0]!r} here; give some of '
                f"{', '.join(known)}, or of {', '.join(CONNECTION)}"
            )
        self._given = {**defaults, **short}
        if "connect" not in self._given and ENVIRONMENT in os.environ:
            self._given["connect"] = os.environ[ENVIRONMENT]
        if "connect" not in self._given:
            raise ConfigError(
                'format("zookeeper"): no ensemble is named; set spark.zookeeper.connect before '
                'sparkeeper.register(spark), or give .option("connect", "host:2181")'
            )

    @property
    def connection(self) -> Connection:
        """How to connect."""
        return Connection({name: value for name, value in self._given.items() if name in CONNECTION})

    def text(self, name: str, default: str | None = None) -> str | None:
        """Return an option as it is."""
        return self._given.get(name, default)

    def path(self, name: str, default: str = "/") -> str:
        """Return a path, without the slash at its end that it may have.

        Raises:
            InvalidPath: It is not one ZooKeeper accepts.
        """
        path = (self._given.get(name) or default).removesuffix("/")
        TreeScope(path)
        return path or "/"

    def choice(self, name: str, allowed: Sequence[str]) -> str:
        """Return one of a few words; the first by default.

        Raises:
            ConfigError: It is another.
        """
        value = self._given.get(name, allowed[0]).lower()
        if value not in allowed:
            raise _wrong(name, self._given[name], f"give {', '.join(allowed[:-1])} or {allowed[-1]}")
        return value

    def flag(self, name: str) -> bool:
        """Return whether something is wanted; it is not by default."""
        return self.choice(name, ("false", "true")) == "true"

    def number(self, name: str, least: int, most: int) -> int | None:
        """Return a whole number.

        Raises:
            ConfigError: It is none, or out of range.
        """
        text = self._given.get(name)
        if text is None:
            return None
        # Not int(), which takes "1_0" and blanks.
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise _wrong(name, text, f"give a whole number from {least} to {most:,}")
        return int(text)


def _wrong(name: str, value: str, advice: str) -> ConfigError:
    return ConfigError(f'format("zookeeper"): option {name}={value!r}: {advice}')


@dataclass(frozen=True)
class Selection:
    """Which nodes are read, and how."""

    connection: Connection
    path: str
    depth: int | None
    glob: str | None
    decode: str

    def scope(self, filters: Sequence[tuple[str, Sequence[str]]] = ()) -> TreeScope:
        """Return the nodes that are asked for.

        Raises:
            ConfigError: The glob is none.
            InvalidPath: The path is not one ZooKeeper accepts.
        """
        return TreeScope(self.path, self.depth, self.glob, [(kind, list(values)) for kind, values in filters])


def _selection(options: Options) -> dict[str, Any]:
    found: dict[str, Any] = {
        "connection": options.connection,
        "path": options.path("path"),
        "depth": options.number("depth", 0, 10_000),
        "glob": options.text("glob"),
        "decode": options.choice("decode", ("text", "json", "none")),
    }
    Selection(**found).scope()
    return found


@dataclass(frozen=True)
class ReadOptions(Selection):
    """What to read as a table."""

    partitions: int
    push_filters: bool

    @classmethod
    def of(cls, options: Options) -> ReadOptions:
        """Check what was given."""
        partitions = options.number("partitions", 1, 10_000)
        return cls(
            **_selection(options),
            partitions=4 if partitions is None else partitions,
            push_filters=options.flag("push_filters"),
        )


@dataclass(frozen=True)
class StreamOptions(Selection):
    """What to follow."""

    state: str
    """Below which znode streams keep what they have told."""
    starting: str

    @classmethod
    def of(cls, options: Options) -> StreamOptions:
        """Check what was given."""
        starting = options.choice("starting", ("existing", "now"))
        return cls(**_selection(options), state=options.path("state", "streams"), starting=starting)

    @property
    def subject(self) -> dict[str, Any]:
        """What the stream is of: with another one, what was told of it would say nothing of the nodes there are."""
        return {
            "namespace": self.connection.namespace,
            "path": _absolute(self.path),
            "depth": self.depth,
            "glob": self.glob,
            "state": _absolute(self.state),
        }

    def check_subject(self, offset: Mapping[str, Any]) -> None:
        """Check that an offset is of this stream; one that an older version wrote does not say.

        Raises:
            ConfigError: It is of another.
        """
        now = self.subject
        was = offset.get("of", now)
        changed = [name for name in now if was[name] != now[name]]
        if changed:
            said = ", ".join(f"{name} is {_shown(now[name])} and was {_shown(was[name])}" for name in changed)
            raise ConfigError(
                f'format("zookeeper"): continue a stream: {said}. A stream goes on with the nodes it began with: give '
                "what was, or start the query with a new checkpoint"
            )


def _absolute(path: str) -> str:
    return "/" + path.strip("/")


def _shown(value: object) -> str:
    return "not given" if value is None else repr(value)


@dataclass(frozen=True)
class WriteOptions:
    """Where to write, and what must stand for it."""

    connection: Connection
    path: str
    guard: tuple[str, int | None, int | None] | None
    """A path, a version, a fencing token."""

    @classmethod
    def of(cls, options: Options, *, overwrite: bool) -> WriteOptions:
        """Check what was given.

        Raises:
            ConfigError: An option is not what it must be.
            InvalidPath: The path is not one ZooKeeper accepts.
        """
        if options.text("path") is None:
            raise ConfigError(
                'format("zookeeper"): no path is given; name the node below which the rows go: .save("/config")'
            )
        path = options.path("path")
        if overwrite and path == "/":
            raise ConfigError(
                f'format("zookeeper"): overwriting {path!r} would delete everything; name the node below which all '
                "else may go"
            )
        guard = None if options.text("guard") is None else options.path("guard")
        version, token = options.number("guard_version", 0, 2**31 - 1), options.number("guard_token", 1, 2**63 - 1)
        if guard is None and (version is not None or token is not None):
            raise ConfigError('format("zookeeper"): guard_version and guard_token say more of a guard; give its path')
        return cls(options.connection, path, None if guard is None else (guard, version, token))
