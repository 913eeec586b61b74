"""`connect`: from what the user has - a SparkSession, a connect string, a running task - to a coordinator."""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
from typing import TYPE_CHECKING, Any

from sparkeeper import _task
from sparkeeper._sparkeeper import Secret
from sparkeeper.coordinator import Coordinator
from sparkeeper.exceptions import ConfigError
from sparkeeper.notebook import waiting
from sparkeeper.tls import Tls

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from pyspark.sql import SparkSession

    Lookup = Callable[[str], str | None]
    Identity = tuple[str, str | Callable[[], str] | Secret]
    Right = tuple[str, str, str]

_LOG = logging.getLogger(__name__)
ENVIRONMENT = "SPARKEEPER_CONNECT"
_NAMESPACE = "SPARKEEPER_NAMESPACE"
LOCAL = "local"

_SCHEME = re.compile(r"[\w-]+")


def connect(  # noqa: PLR0913 - each is a setting with a default
    target: SparkSession | str | None = None,
    *,
    session_timeout: float | timedelta | None = None,
    namespace: str | None = None,
    auth: Identity | Sequence[Identity] | str | None = None,
    acl: str | Sequence[Right] | None = None,
    tls: Tls | None = None,
    owner: str | None = None,
    timeout: float | timedelta | None = None,
) -> Coordinator:
    """Connect to a ZooKeeper ensemble.

    In a Spark task the worker's session is shared by all that the task, and those after it, open with the same servers,
    credentials and timeout; what this one holds is given back when it is closed, at the latest when the task ends.

    Args:
        target: A SparkSession (its `spark.zookeeper.connect`, `.namespace`, `.session.timeout`, `.auth`, `.acl` and
            `.tls.ca|cert|key|check_hostname` settings), a connect string `host:port[,host:port...][/chroot]`, or
            "local": a real ZooKeeper from PySpark's own jars, shared by this machine's processes. Without one: in a
            Spark task the driver's settings, else the environment variables SPARKEEPER_CONNECT and
            SPARKEEPER_NAMESPACE.
        session_timeout: How long the ensemble keeps our session without hearing from us; 10 s by default, and the
            server may negotiate another. Seconds or timedelta.
        namespace: Put before every path.
        auth: (scheme, "user:password") or several, or one as text, "scheme:user:password"; the scheme is "digest", or
            "sasl" for DIGEST-MD5. The rest may be a reference: "env:NAME", "file:PATH", or a function that returns it,
            read or called anew for each session. Only references travel in a pickle, and of functions only those found
            in a module by name.
        acl: Rights on the nodes we create, parents included: "open" (default), "read_open" (anybody reads, the
            identity in auth does all), "creator" (only that identity), or a list of (scheme, id, permissions), such
            as [("sasl", "etl", "rwcda"), ("world", "anyone", "r")]; as text "sasl:etl:rwcda,world:anyone:r".
        tls: PEM files for servers that speak TLS.
        owner: Who we say we are to the others; by default application id, host, process, and the script, or in a task
            the stage, partition and attempt.
        timeout: Keep trying for so long; None tries every host once.

    Raises:
        ConnectionLost: No server answered.
        AuthFailed: The credentials or a certificate were refused; no retry will help.
        ConfigError: An argument or setting is missing, contradictory or out of range.
    """
    where, lookup = _resolve(target)
    # From here on no traceback that shows variables shows a secret.
    auth = _identities(auth if auth is not None else lookup("auth"))
    if auth is None:
        raise ConfigError('auth: give ("digest", "user:password"), or several such pairs')
    coordinator = Coordinator(
        _local() if where == LOCAL else where,
        session_timeout=session_timeout if session_timeout is not None else _seconds(lookup),
        namespace=namespace if namespace is not None else lookup("namespace") or "",
        auth=auth,
        acl=acl if acl is not None else lookup("acl"),
        tls=_files(tls or _tls(lookup)),
        owner=owner or _owner(lookup),
        scope=_task.scope(),
    )
    waiting.show()
    coordinator._open(timeout)  # noqa: SLF001 - ours
    return coordinator


def _resolve(target: SparkSession | str | None) -> tuple[str, Lookup]:
    """Return the connect string, and where the other settings are looked up."""
    if isinstance(target, str):
        return target, lambda _: None
    if target is not None:
        lookup = _session_settings(target)
        where = lookup("connect")
        if where is None:
            raise ConfigError(
                "connect(spark): the session has no spark.zookeeper.connect; set it with "
                '.config("spark.zookeeper.connect", "host:2181"), or "local" for an embedded server'
            )
        return where, lookup
    lookup = _task_settings()
    where = lookup("connect")
    if where is None and (where := os.environ.get(ENVIRONMENT)) is not None:
        if _task.running() is not None:
            _LOG.warning(
                "connect(): this Spark task was told no spark.zookeeper.* settings, as an RDD's never is; it takes "
                "%s=%s and namespace %r, where the driver may mean another: send the task a handle of the driver's",
                ENVIRONMENT,
                where,
                os.environ.get(_NAMESPACE, ""),
            )
        return where, lambda key: os.environ.get(_NAMESPACE) if key == "namespace" else lookup(key)
    if where is None:
        if _task.running() is not None:
            raise ConfigError(
                "connect(): this Spark task was told no spark.zookeeper.connect: the session has none, or it is a task "
                f"of an RDD, which is told no settings; set it, or {ENVIRONMENT} on the executors, or send the task a "
                "handle that the driver made, such as zk.lock(path): it connects where it is used"
            )
        raise ConfigError(
            f"connect(): not in a Spark task, and the environment variable {ENVIRONMENT} is not set; "
            "set it, or pass a SparkSession or host:port"
        )
    return where, lookup


def _session_settings(spark: Any) -> Lookup:  # noqa: ANN401 - classic and Connect sessions share no base before 4.0
    get = getattr(getattr(spark, "conf", None), "get", None)
    if get is None:
        raise ConfigError(f"connect({spark!r}): give a SparkSession, a connect string, or nothing")

    def lookup(key: str) -> str | None:
        value: str | None = get("spark.app.id" if key == "app.id" else f"spark.zookeeper.{key}", None)
        return value

    return lookup


def _task_settings() -> Lookup:
    """Look up what the driver set, where this is a Spark task; SQL tasks carry it, RDD tasks don't."""
    context = _task.running()
    if context is None:
        return lambda _: None

    def lookup(key: str) -> str | None:
        value: str | None = context.getLocalProperty("spark.app.id" if key == "app.id" else f"spark.zookeeper.{key}")
        return value

    return lookup


def _local() -> str:
    from sparkeeper.local import shared_server  # noqa: PLC0415 - looks for PySpark's jars

    return shared_server().connect_string


def _seconds(lookup: Lookup) -> float | None:
    """Read `spark.zookeeper.session.timeout`: seconds, or with a unit as Spark writes durations."""
    text = lookup("session.timeout")
    if text is None:
        return None
    number = text.strip().lower()
    factor = 1.0
    for unit, seconds in (("ms", 0.001), ("min", 60.0), ("s", 1.0), ("m", 60.0), ("h", 3600.0)):
        if number.endswith(unit):
            number, factor = number[: -len(unit)].strip(), seconds
            break
    try:
        return float(number) * factor
    except ValueError:
        raise ConfigError(f"spark.zookeeper.session.timeout={text!r}: give seconds, or 500ms, 10s, 2min") from None


def _identities(auth: Identity | Sequence[Identity] | str | None) -> list[tuple[str, Secret]] | None:
    """Close the secrets away; None says that they are none: an error raised here would show this frame."""
    if isinstance(auth, str):  # spark.zookeeper.auth = scheme:credential
        scheme, _, credential = auth.partition(":")
        auth = [(scheme, credential)] if auth else []
    elif isinstance(auth, tuple) and len(auth) == 2 and isinstance(auth[0], str):  # noqa: PLR2004 - a pair
        auth = [auth]
    try:
        closed = [(scheme, Secret(credential)) for scheme, credential in auth or ()]
    except (TypeError, ValueError):
        return None
    # A pair the wrong way round has the secret first.
    return closed if all(isinstance(scheme, str) and _SCHEME.fullmatch(scheme) for scheme, _ in closed) else None


def _tls(lookup: Lookup) -> Tls | None:
    ca, cert, key = (lookup(f"tls.{name}") for name in ("ca", "cert", "key"))
    checked = lookup("tls.check_hostname") or "true"
    if checked.lower() not in {"true", "false"}:
        raise ConfigError(f"spark.zookeeper.tls.check_hostname={checked!r}: give true or false")
    return Tls(ca, cert, key, check_hostname=checked.lower() == "true") if ca or cert or key else None


def _files(tls: Tls | None) -> tuple[str | None, str | None, str | None, bool] | None:
    if tls is None:
        return None
    if not isinstance(tls, Tls):
        raise ConfigError(f"tls={tls!r}: give sparkeeper.Tls(ca=..., cert=..., key=...)")
    ca, cert, key = (None if path is None else os.fspath(path) for path in (tls.ca, tls.cert, tls.key))
    return ca, cert, key, tls.check_hostname


def _owner(lookup: Lookup) -> str:
    """Say who we are: application @ host / process / script, or the attempt of a task."""
    application = lookup("app.id") or "python"
    if _task.running() is not None:
        return _task.owner(application)
    script = os.path.basename(sys.argv[0]) if sys.argv else ""  # noqa: PTH119 - a name, not a path
    place = {"": "interactive", "-c": "interactive", "ipykernel_launcher.py": "notebook"}.get(script, script)
    return f"{application} @ {socket.gethostname()} / {os.getpid()} / {place}"
