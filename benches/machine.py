"""How much of the machine went to processes that are no part of the run: what makes one round unlike the next."""

from __future__ import annotations

from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Usage:
    """CPU seconds up to now."""

    available: float
    busy: float
    ours: float

    @classmethod
    def now(cls) -> Usage:
        """Read the counters of the machine, and those of this process and everything under it."""
        machine = psutil.cpu_times()
        idle = machine.idle + getattr(machine, "iowait", 0.0)
        this = psutil.Process()
        ours = 0.0
        for process in (this, *this.children(recursive=True)):
            try:
                used = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            # Those of its processes that have ended are in the last two.
            ours += used.user + used.system + used.children_user + used.children_system
        # On Linux guest time is contained in user time.
        total = sum(machine) - getattr(machine, "guest", 0.0) - getattr(machine, "guest_nice", 0.0)
        return cls(total, total - idle, ours)

    def others_since(self, before: Usage) -> float:
        """Return the share of all CPUs, 0 to 1, that other processes used in between."""
        others = (self.busy - before.busy) - (self.ours - before.ours)
        return max(0.0, others) / max(1e-9, self.available - before.available)
