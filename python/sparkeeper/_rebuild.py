"""What pickled handles are rebuilt by: as configuration, connecting on first use."""

from __future__ import annotations

from typing import Any

from sparkeeper import _task
from sparkeeper.coordinator import Coordinator


def coordinator(settings: dict[str, Any]) -> Coordinator:
    """Return a coordinator that connects on first use; in a Spark task one of the task's own."""
    return Coordinator(**{**settings, "owner": _task.owner(settings["owner"])}, scope=_task.scope())


def handle(settings: dict[str, Any], factory: str, path: str | list[str], keywords: dict[str, Any]) -> Any:  # noqa: ANN401
    """Return what the coordinator's method `factory` makes of the path, on a coordinator that connects on first use."""
    return getattr(coordinator(settings), factory)(path, **keywords)
