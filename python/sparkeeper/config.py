"""Configurations: typed values in versions, checked before they are written, watched after."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from sparkeeper import _schema
from sparkeeper.exceptions import ConfigError, NoNode

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

    from sparkeeper import _sparkeeper
    from sparkeeper.coordinator import Coordinator

T = TypeVar("T")
# Whatever `_sparkeeper` takes as one.
Guard: TypeAlias = Any

_LOG = logging.getLogger(__name__)


class Missing:
    """The type of `MISSING`: no default was given, and None is one."""

    def __repr__(self) -> str:
        """Say what it stands for."""
        return "MISSING"

    def __reduce__(self) -> str:
        """Stay one of a kind."""
        return "MISSING"


MISSING = Missing()


class ConfigVersion(Generic[T]):
    """One version of a configuration.

    Attributes:
        version: Its number, from 1 on.
        at: When it was written, by the server's clock.
        by: Who wrote it: the owner of the coordinator.
        restored: The version whose value a rollback wrote again; None for any other.
    """

    def __init__(self, path: str, schema: object, found: _sparkeeper.Version) -> None:
        """Take what was found at `path`."""
        self._path = path
        self._schema = schema
        self._text = found.value
        self.version = found.number
        self.at = dt.datetime.fromtimestamp(found.at / 1000, tz=dt.timezone.utc)
        self.by = found.by
        self.restored = found.restored

    @property
    def value(self) -> T:
        """What was written.

        Raises:
            ConfigError: It does not fit the schema; the message names version and field.
        """
        try:
            value: T = _schema.from_text(self._schema, self._text)
        except _schema.Misfit as misfit:
            raise ConfigError(
                f"config '{self._path}', version {self.version}, written by {self.by}: {misfit}; "
                "write a version that fits, or read it with the schema it was written with"
            ) from None
        return value

    def __repr__(self) -> str:
        """Say which, by whom and when."""
        restored = f" restores={self.restored}" if self.restored else ""
        return (
            f"<ConfigVersion {self.version} of '{self._path}' by '{self.by}' at {self.at:%Y-%m-%d %H:%M:%S}{restored}>"
        )


class Config(Generic[T]):
    """A configuration at one path, which every process reads and may change; `Coordinator.config` makes them.

    Values are checked against the schema before they are written, and once more when they are read, since others
    may write with another schema. Each write makes a version, numbered from 1 without gaps, in one step with its entry
    in the history; where its reply is lost it is looked up, so that it is made once. A value is JSON, of some 500 KiB
    at most, readable in zkCli: `get <path>` has the newest version, `ls <path>` the others.

    Every read asks the server. It pickles as configuration.
    """

    def __init__(self, coordinator: Coordinator, path: str, schema: object, default: T | Missing, keep: int) -> None:
        """Use `Coordinator.config`."""
        _schema.check_schema(schema)
        self._coordinator = coordinator
        self._schema = schema
        self._default = default
        self._keep = keep
        self._versions = coordinator._versioned(path, keep)  # noqa: SLF001 - ours
        if not isinstance(default, Missing):
            self._text(default)

    @property
    def path(self) -> str:
        """The path, as it was given."""
        return self._versions.path

    @property
    def value(self) -> T:
        """The newest value; the default where none was written.

        Raises:
            NoNode: None was written, and there is no default.
            ConfigError: What was written does not fit the schema; the message names version and field.
        """
        return self._or_default(self.get())

    @property
    def version(self) -> int:
        """The number of the newest version; 0 where none was written."""
        found = self._versions.current()
        return found.number if found else 0

    def get(self) -> ConfigVersion[T] | None:
        """Return the newest version, or None where none was written."""
        found = self._versions.current()
        return self._typed(found) if found else None

    async def get_async(self) -> ConfigVersion[T] | None:
        """As `get`, to be awaited."""
        found = await self._versions.current_async()
        return self._typed(found) if found else None

    async def value_async(self) -> T:
        """As `value`, to be awaited."""
        return self._or_default(await self.get_async())

    def set(self, value: T, expect: int | None = None, *, guard: Guard | None = None) -> int:
        """Write `value` as the next version.

        Args:
            value: An instance of the schema, or what one could be made from.
            expect: Write only where this is the newest version now; 0 where there must be none. Without it the last
                writer wins.
            guard: Something held, such as a lock; the write lands only while it stands.

        Returns:
            The number of the version.

        Raises:
            ConfigError: The value does not fit the schema; nothing was written.
            BadVersion: Another version is the newest; nothing was written.
            PayloadTooLarge: Nothing was sent.
            LockLost: The guard does not stand any more.
            ConnectionLost: The reply was lost, and the ensemble stayed away: it may have been written.
        """
        return self._versions.set(self._text(value), expect, guard=guard)

    async def set_async(self, value: T, expect: int | None = None, *, guard: Guard | None = None) -> int:
        """As `set`, to be awaited."""
        return await self._versions.set_async(self._text(value), expect, guard=guard)

    def history(self) -> list[ConfigVersion[T]]:
        """Return the versions that are kept, the oldest first."""
        return [self._typed(found) for found in self._versions.history()]

    async def history_async(self) -> list[ConfigVersion[T]]:
        """As `history`, to be awaited."""
        return [self._typed(found) for found in await self._versions.history_async()]

    def rollback(self, version: int, expect: int | None = None, *, guard: Guard | None = None) -> int:
        """Write the value of an older version again, as the next version.

        Args:
            version: The number of one that is kept.
            expect: As for `set`.
            guard: As for `set`.

        Returns:
            The number of the new version.

        Raises:
            NoNode: That version is not kept.
            ConfigError: Its value does not fit the schema; nothing was written.
            BadVersion: Another version is the newest; nothing was written.
        """
        # Looked at for what it raises.
        _ = self._typed(self._versions.kept(version)).value
        return self._versions.rollback(version, expect, guard=guard)

    async def rollback_async(self, version: int, expect: int | None = None, *, guard: Guard | None = None) -> int:
        """As `rollback`, to be awaited."""
        _ = self._typed(await self._versions.kept_async(version)).value
        return await self._versions.rollback_async(version, expect, guard=guard)

    def on_change(
        self, callback: Callable[[T], object], on_error: Callable[[ConfigError], object] | None = None
    ) -> None:
        """Call `callback(value)` for every change from now on, on a thread of its own, until `close`.

        Values come in the order of their versions. Versions that follow each other faster than they are read, or that
        are made while the link is down, come as one, the newest: the last call always has the final value.

        Args:
            callback: It never gets a value that does not fit the schema.
            on_error: Gets the `ConfigError` of such a value instead, which names version and field; without it, it
                is logged. Either way the next values come as before.
        """
        if not callable(callback):
            raise TypeError(f"{callback!r} is not callable; give a function")

        def hear(found: _sparkeeper.Version | ConfigError) -> None:
            try:
                if isinstance(found, ConfigError):
                    raise found
                value = self._typed(found).value
            except ConfigError as error:
                if on_error:
                    on_error(error)
                else:
                    _LOG.warning("a callback was not called: %s", error)
            else:
                callback(value)

        self._versions.on_change(hear)

    def close(self) -> None:
        """End the callbacks, and take their watches off the server. Everything else can still be used."""
        self._versions.close()

    def _text(self, value: T) -> str:
        try:
            return _schema.to_text(self._schema, value)
        except _schema.Misfit as misfit:
            raise ConfigError(f"config '{self.path}': {misfit}; nothing was written") from None

    def _typed(self, found: _sparkeeper.Version) -> ConfigVersion[T]:
        return ConfigVersion(self.path, self._schema, found)

    def _or_default(self, found: ConfigVersion[T] | None) -> T:
        if found is not None:
            return found.value
        if isinstance(self._default, Missing):
            raise NoNode(f"config '{self.path}': none was written; set one, or give a default")
        return self._default

    def __enter__(self) -> Self:
        """Return the configuration."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the callbacks."""
        self.close()

    async def __aenter__(self) -> Self:
        """Return the configuration."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the callbacks."""
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as configuration."""
        from sparkeeper import _rebuild  # noqa: PLC0415 - it imports the coordinator

        keywords = {"schema": self._schema, "default": self._default, "keep": self._keep}
        return _rebuild.handle, (self._coordinator._settings(), "config", self.path, keywords)  # noqa: SLF001 - ours

    def __repr__(self) -> str:
        """Say where it is and what it holds, without asking the server."""
        schema = self._schema.__name__ if isinstance(self._schema, type) else self._schema
        return f"<Config '{self.path}' schema={schema} {self._versions.last}>"
