"""How an embedded server runs: its zoo.cfg and the options of its JVM."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sparkeeper.exceptions import ConfigError
from sparkeeper.local.ports import HOST

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class ServerSettings:
    """What can be chosen about an embedded server; the defaults suit tests and a laptop.

    Attributes:
        java: A Java executable or home, instead of the one `find_java` finds.
        heap: The JVM's largest heap, in its own notation.
        tick: ZooKeeper's tick in seconds; sessions expire on multiples of it.
        session_timeouts: The shortest and the longest session timeout a client may have, in seconds.
        container_check: Seconds between two looks for empty containers and nodes past their time to live.
        sync: Whether every write reaches the disk before its reply; None means for kept data only. Without it
            writes survive the death of the server, but not that of the machine.
        extra: More lines of zoo.cfg; they override the others.
        properties: More system properties of the JVM; they override the others.
        node_id: The server's number in its ensemble.
        log: The file the server logs to, instead of zookeeper.log beside its data.
    """

    java: str | os.PathLike[str] | None = None
    heap: str = "256m"
    tick: float = 0.5
    session_timeouts: tuple[float, float] = (1.0, 60.0)
    container_check: float = 60.0
    sync: bool | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    node_id: int | None = None
    log: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what the server would refuse later and less clearly."""
        shortest, longest = self.session_timeouts
        if not 0 < shortest <= longest:
            raise ConfigError(f"session_timeouts={self.session_timeouts}: want 0 < shortest <= longest, in seconds")
        if self.tick < 0.001 or self.container_check < 0.001:  # noqa: PLR2004 - ZooKeeper counts milliseconds
            raise ConfigError(f"tick={self.tick}, container_check={self.container_check}: want at least 0.001 seconds")

    def zoo_cfg(self, data: Path, port: int) -> str:
        """Return the text of zoo.cfg for a server on this port that keeps its data there."""
        shortest, longest = self.session_timeouts
        lines = {
            "dataDir": str(data),
            "clientPort": str(port),
            "clientPortAddress": HOST,
            "tickTime": _millis(self.tick),
            "minSessionTimeout": _millis(shortest),
            "maxSessionTimeout": _millis(longest),
            # One test process may open thousands of sessions.
            "maxClientCnxns": "0",
            "admin.enableServer": "false",
            "4lw.commands.whitelist": "ruok,srvr,stat,mntr,conf,cons,wchs,wchp,wchc,dump,srst",
            "autopurge.purgeInterval": "1",
            **self.extra,
        }
        return "".join(f"{_property(key)}={_property(value)}\n" for key, value in lines.items())

    def jvm_options(self, *, kept: bool) -> list[str]:
        """Return the options of the JVM for data that is kept or temporary."""
        synced = kept if self.sync is None else self.sync
        properties = {
            "zookeeper.extendedTypesEnabled": "true",
            "zookeeper.forceSync": "yes" if synced else "no",
            "zookeeper.jmx.log4j.disable": "true",
            "znode.container.checkIntervalMs": _millis(self.container_check),
            # Without a configuration of its own log4j would only show errors.
            "log4j2.level": "INFO",
            "java.net.preferIPv4Stack": "true",
            "java.awt.headless": "true",
            **self.properties,
        }
        options = [f"-D{key}={value}" for key, value in properties.items()]
        # The serial collector keeps a small heap small, and three servers on two cores out of each other's way.
        return ["-Xms16m", f"-Xmx{self.heap}", "-XX:+UseSerialGC", *options]


def _millis(seconds: float) -> str:
    return str(round(seconds * 1000))


def _property(text: str) -> str:
    """Escape a word for a Java properties file, which is Latin-1 and gives the backslash a meaning."""
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n")
    units = escaped.encode("utf-16-be")
    codes = (int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2))
    return "".join(chr(code) if 0x20 <= code < 0x7F else f"\\u{code:04x}" for code in codes)  # noqa: PLR2004 - ASCII
