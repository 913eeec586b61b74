"""Who led and who held, and from when to when, as seen since the page's server began to watch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sparkeeper.survey import Contender, Line

_SPANS = 20
_PATHS = 60


@dataclass
class Span:
    """One grant of a lock, or one term of a leader."""

    owner: str
    session: str
    token: int | None
    began: int
    """In milliseconds since 1970, by this machine's clock."""
    early: bool
    """Whether it began before anybody watched, so that `began` is when watching began."""
    ended: int | None = None


@dataclass
class Lane:
    """What became of one path: its newest spans, the oldest first, and all that have not ended."""

    path: str
    kind: str
    older: int
    """Up to when it may have had spans that are not kept; 0 where it had none."""
    spans: list[Span] = field(default_factory=list)

    @property
    def last(self) -> int:
        """When something happened here."""
        return max(span.ended or span.began for span in self.spans)

    def add(self, span: Span) -> None:
        """Keep a span, and let go of the oldest that have ended, where that makes too many."""
        self.spans.append(span)
        ended = [(span.ended, span) for span in self.spans if span.ended]
        for at, gone in ended[: max(0, len(self.spans) - _SPANS)]:
            self.spans.remove(gone)
            self.older = max(self.older, at)


class Spans:
    """The lanes of all paths; those where nobody holds anything and nothing happened for longest are forgotten."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._lanes: dict[str, Lane] = {}
        self._open: dict[str, dict[int | None, Span]] = {}
        # Up to when lanes that were forgotten had spans.
        self._older = 0

    def begin(self, lines: Iterable[Line], now: int) -> None:
        """Take who holds something when watching begins."""
        for line in lines:
            self._see(line.path, line.kind, line.holders, now, early=True)

    def see(self, path: str, lines: Iterable[Line], now: int) -> None:
        """Take one path as it is now."""
        line = next((line for line in lines if line.path == path), None)
        self._see(path, line.kind if line else "", line.holders if line else (), now, early=False)

    def drop(self, path: str) -> None:
        """Forget a path that turned out to be a part of another."""
        self._lanes.pop(path, None)
        self._open.pop(path, None)

    @property
    def lanes(self) -> list[Lane]:
        """Elections first, then the others, each in the order of the paths."""
        return sorted(self._lanes.values(), key=lambda lane: (lane.kind != "election", lane.path))

    def _see(self, path: str, kind: str, holders: tuple[Contender, ...], now: int, *, early: bool) -> None:
        standing = self._open.get(path, {})
        tokens = {one.token for one in holders}
        for token in standing.keys() - tokens:
            standing.pop(token).ended = now
        for one in holders:
            if one.token not in standing:
                lane = self._lanes.setdefault(path, Lane(path, kind, self._older))
                lane.kind = kind
                standing[one.token] = Span(one.owner, one.session, one.token, now, early)
                lane.add(standing[one.token])
        if standing:
            self._open[path] = standing
        else:
            self._open.pop(path, None)
        if len(self._lanes) > _PATHS:
            self._forget()

    def _forget(self) -> None:
        closed = [lane for path, lane in self._lanes.items() if path not in self._open]
        for lane in sorted(closed, key=lambda lane: lane.last)[: len(self._lanes) - _PATHS]:
            del self._lanes[lane.path]
            self._older = max(self._older, lane.last)
