"""Every error that Sparkeeper raises.

Each class stands under `SparkeeperError` and under the builtin that a caller would
catch without knowing us. All of them pickle, so that they travel from an executor to the
driver whole. A message says what was attempted, on which path, what was found, and what to do.
"""

from __future__ import annotations


class SparkeeperError(Exception):
    """Base of everything Sparkeeper raises on purpose."""


class AcquireTimeout(SparkeeperError, TimeoutError):
    """The wait ended before the lock, the permit or the leadership was granted."""


class ConnectionLost(SparkeeperError, ConnectionError):
    """No server could be reached, or the link broke before the reply: a write may have landed or not."""


class SessionExpired(SparkeeperError, ConnectionError):
    """The ensemble ended the session; everything ephemeral in it is gone."""


class AuthFailed(SparkeeperError, PermissionError):
    """The ensemble refused the credentials; no retry will help."""


class NotAuthorized(SparkeeperError, PermissionError):
    """The node's ACL does not allow this to the session's identities, or a table's directory not to this user."""


class Fenced(SparkeeperError):
    """Somebody else was granted what this caller held; the write was refused and changed nothing."""


class LockLost(Fenced):
    """The lock is no longer provably held."""


class TermLost(Fenced):
    """The leadership is no longer provably held."""


class ClaimLost(Fenced):
    """The partition or task is no longer provably owned."""


class MemberLost(SparkeeperError, RuntimeError):
    """A member of a double barrier was lost inside, where all or none were to leave: it is over for all of them."""


class RunCancelled(SparkeeperError, RuntimeError):
    """Spark was told to cancel the job of a run's workers; tasks that are not done stay queued, for another run."""


class CommitConflict(SparkeeperError):
    """Another commit changed what this one was based on; nothing was committed."""


class CommitUnknown(SparkeeperError):
    """The reply to the commit was lost and the ensemble stayed away; run the same job id again to learn the outcome."""


class HistoryLost(SparkeeperError):
    """The table's files are ahead of ZooKeeper's record, which was wiped or restored from an old copy."""


class NotATable(SparkeeperError):
    """The directory is not a table that Sparkeeper keeps."""


class CorruptManifest(SparkeeperError):
    """A manifest's bytes do not match the digest in its name."""


class NoNode(SparkeeperError, KeyError):
    """The znode does not exist."""

    def __str__(self) -> str:
        """Return the message as it is; KeyError would quote it."""
        return Exception.__str__(self)


class NodeExists(SparkeeperError):
    """The znode exists already."""


class BadVersion(SparkeeperError):
    """The znode's version is not the expected one: somebody wrote in between."""


class PayloadTooLarge(SparkeeperError, ValueError):
    """The value would not fit into one ZooKeeper request (1 MiB); nothing was sent."""


class InvalidPath(SparkeeperError, ValueError):
    """The path is not one ZooKeeper accepts; nothing was sent."""


class ConfigError(SparkeeperError, ValueError):
    """A setting is missing, contradictory or out of range."""


class Unsupported(SparkeeperError, NotImplementedError):
    """The server is too old for it, or was not told to allow it."""


class NotOwner(SparkeeperError, RuntimeError):
    """The caller released something that it does not hold."""


class WouldDeadlock(SparkeeperError, RuntimeError):
    """The wait would never end: a reader asked for the write lock that its own read lock bars."""


class Closed(SparkeeperError, RuntimeError):
    """The coordinator was closed; open another one."""


class ForkedProcessError(SparkeeperError, RuntimeError):
    """The process was forked from one that had connected; its connection stayed there."""
