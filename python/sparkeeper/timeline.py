"""Who led an election, and when, since somebody began to look."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sparkeeper._needs import needs
from sparkeeper.ago import ago
from sparkeeper.exceptions import SparkeeperError
from sparkeeper.notebook import card, chart

if TYPE_CHECKING:
    from typing_extensions import Self

    from sparkeeper._sparkeeper import Candidate
    from sparkeeper.election import Leaders

_KEPT = 1_000


@dataclass(frozen=True)
class Reign:
    """One leader's time, or a time without one."""

    leader: str | None
    """Its id; None while nobody led."""
    token: int | None
    """Its fencing token."""
    since: int
    """Milliseconds since 1970: of a leader on the server's clock, else when it was seen on ours."""
    until: int | None
    """When its end was seen, on our clock; None while it goes on, and where it went on when the timeline was closed."""


class Timeline:
    """Follows an election from now on; `Election.timeline` makes it. The newest 1,000 reigns are kept.

    A leader that came and went between two looks is not in it.
    """

    def __init__(self, leaders: Leaders, path: str) -> None:
        """Follow `leaders` until it is closed."""
        self.path = path
        """The election's path."""
        self._leaders = leaders
        self._reigns: deque[Reign] = deque(maxlen=_KEPT)
        self._closed: int | None = None
        self._lock = threading.Lock()
        threading.Thread(target=self._follow, name="sparkeeper-timeline", daemon=True).start()

    @property
    def reigns(self) -> list[Reign]:
        """What was seen so far, the oldest first."""
        with self._lock:
            return list(self._reigns)

    def close(self) -> None:
        """Stop to follow; what was seen stays."""
        self._end()
        self._leaders.close()

    def to_pandas(self) -> Any:  # noqa: ANN401 - pandas is an extra
        """`reigns` as a DataFrame with the columns leader, token, since and until, these two as times in UTC.

        Raises:
            ConfigError: PyArrow or pandas is not installed; they come with `sparkeeper[spark]`.
        """
        pa = needs("Timeline.to_pandas", "pyarrow")
        needs("Timeline.to_pandas", "pandas")
        moment = pa.timestamp("ms", "UTC")
        kinds = {"leader": pa.string(), "token": pa.int64(), "since": moment, "until": moment}
        reigns = self.reigns
        columns = {name: pa.array([getattr(one, name) for one in reigns], kind) for name, kind in kinds.items()}
        return pa.table(columns).to_pandas()

    def plot(self) -> Any:  # noqa: ANN401 - altair is optional
        """Draw a bar for each term, a row for each leader: an altair chart.

        Raises:
            ConfigError: altair is not installed; it comes with `sparkeeper[viz]`.
        """
        return chart.leadership(self.path, self.reigns, self._closed or _now())

    def _follow(self) -> None:
        # With the coordinator the looking ends, too.
        with contextlib.suppress(SparkeeperError):
            for leader in self._leaders:
                self._note(leader)
        self._end()

    def _end(self) -> None:
        with self._lock:
            self._closed = self._closed or _now()

    def _note(self, leader: Candidate | None) -> None:
        with self._lock:
            if self._closed:
                return
            if self._reigns:
                last = self._reigns.pop()
                self._reigns.append(replace(last, until=_now()))
            if leader is None:
                self._reigns.append(Reign(None, None, _now(), None))
            else:
                self._reigns.append(Reign(leader.id, leader.token, leader.since, None))

    def __enter__(self) -> Self:
        """Return the timeline."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop to follow."""
        self.close()

    def __repr__(self) -> str:
        """Say of which election, and how much was seen."""
        return f"<Timeline of '{self.path}', {len(self.reigns)} reigns>"

    def _repr_html_(self) -> str:
        now = _now()
        rows = [
            (
                one.leader or "nobody",
                None if one.token is None else str(one.token),
                ago(one.since, now),
                self._length(one, now),
            )
            for one in reversed(self.reigns)
        ]
        heads = ("leader", "token", "began, ago", "lasted")
        return card.card("Timeline", self.path, {}, card.table(heads, rows, "Nothing was seen yet."))

    def _length(self, reign: Reign, now: int) -> str:
        # Not rounded up: it would be longer than it began ago. The server's clock may be ahead of ours.
        tenths = max(0, (reign.until or self._closed or now) - reign.since) // 100
        over = "" if reign.until else " so far" if self._closed is None else " when it was closed"
        return f"{tenths / 10:,.1f} s{over}"


def _now() -> int:
    return int(time.time() * 1000)
