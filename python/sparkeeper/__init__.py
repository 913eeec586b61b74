"""Coordination for PySpark over Apache ZooKeeper: locks, partition plans, fault-tolerant writes."""

from __future__ import annotations

from sparkeeper import exceptions
from sparkeeper._sparkeeper import (
    Barrier,
    Batch,
    Cache,
    CacheEvent,
    CacheEvents,
    CacheSnapshot,
    Candidate,
    Contender,
    Counter,
    DeadLetter,
    DoubleBarrier,
    Held,
    Lock,
    MultiLock,
    PathMetrics,
    PermitHolder,
    Permits,
    Queue,
    QueueDepth,
    QueueItem,
    QueueWorker,
    ReadWriteLock,
    Semaphore,
    Stat,
    Tally,
    Term,
)
from sparkeeper.config import Config, ConfigVersion
from sparkeeper.connection import connect
from sparkeeper.coordinator import Coordinator
from sparkeeper.election import Election
from sparkeeper.tls import Tls

__all__ = [
    "Barrier",
    "Batch",
    "Cache",
    "CacheEvent",
    "CacheEvents",
    "CacheSnapshot",
    "Candidate",
    "Config",
    "ConfigVersion",
    "Contender",
    "Coordinator",
    "Counter",
    "DeadLetter",
    "DoubleBarrier",
    "Election",
    "Held",
    "Lock",
    "MultiLock",
    "PathMetrics",
    "PermitHolder",
    "Permits",
    "Queue",
    "QueueDepth",
    "QueueItem",
    "QueueWorker",
    "ReadWriteLock",
    "Semaphore",
    "Stat",
    "Tally",
    "Term",
    "Tls",
    "connect",
    "exceptions",
]
