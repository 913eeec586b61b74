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
    Certificate,
    Claim,
    Contender,
    Counter,
    DeadLetter,
    DoubleBarrier,
    Group,
    Held,
    Instance,
    Lock,
    Member,
    Membership,
    MultiLock,
    PathMetrics,
    PermitHolder,
    Permits,
    Queue,
    QueueDepth,
    QueueItem,
    QueueWorker,
    ReadWriteLock,
    Registration,
    Registry,
    Semaphore,
    Stat,
    Tally,
    Term,
    View,
)
from sparkeeper.assignment import Assignment, assign, verify
from sparkeeper.config import Config, ConfigVersion
from sparkeeper.connection import connect
from sparkeeper.coordinator import Coordinator
from sparkeeper.data_source import register
from sparkeeper.election import Election
from sparkeeper.partition_member import PartitionMember
from sparkeeper.partitions import Partitions
from sparkeeper.partitions_state import GroupAssignment, GroupMember, GroupProgress, PartitionProgress
from sparkeeper.spark.checkup import Checkup, doctor
from sparkeeper.task_results import Results
from sparkeeper.tasks import Tasks
from sparkeeper.tasks_state import DeadTask, Result, TaskStatus, TaskWorkerStatus
from sparkeeper.tls import Tls

__all__ = [
    "Assignment",
    "Barrier",
    "Batch",
    "Cache",
    "CacheEvent",
    "CacheEvents",
    "CacheSnapshot",
    "Candidate",
    "Certificate",
    "Checkup",
    "Claim",
    "Config",
    "ConfigVersion",
    "Contender",
    "Coordinator",
    "Counter",
    "DeadLetter",
    "DeadTask",
    "DoubleBarrier",
    "Election",
    "Group",
    "GroupAssignment",
    "GroupMember",
    "GroupProgress",
    "Held",
    "Instance",
    "Lock",
    "Member",
    "Membership",
    "MultiLock",
    "PartitionMember",
    "PartitionProgress",
    "Partitions",
    "PathMetrics",
    "PermitHolder",
    "Permits",
    "Queue",
    "QueueDepth",
    "QueueItem",
    "QueueWorker",
    "ReadWriteLock",
    "Registration",
    "Registry",
    "Result",
    "Results",
    "Semaphore",
    "Stat",
    "Tally",
    "TaskStatus",
    "TaskWorkerStatus",
    "Tasks",
    "Term",
    "Tls",
    "View",
    "assign",
    "connect",
    "doctor",
    "exceptions",
    "register",
    "verify",
]
