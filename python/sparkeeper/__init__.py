"""Coordination for PySpark over Apache ZooKeeper: locks, partition plans, fault-tolerant writes."""

from __future__ import annotations

from sparkeeper import exceptions
from sparkeeper._sparkeeper import (
    Cache,
    CacheEvent,
    CacheEvents,
    CacheSnapshot,
    Contender,
    Held,
    Lock,
    PathMetrics,
    PermitHolder,
    Permits,
    Semaphore,
    Stat,
)
from sparkeeper.connection import connect
from sparkeeper.coordinator import Coordinator
from sparkeeper.tls import Tls

__all__ = [
    "Cache",
    "CacheEvent",
    "CacheEvents",
    "CacheSnapshot",
    "Contender",
    "Coordinator",
    "Held",
    "Lock",
    "PathMetrics",
    "PermitHolder",
    "Permits",
    "Semaphore",
    "Stat",
    "Tls",
    "connect",
    "exceptions",
]
