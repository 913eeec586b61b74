"""Functions that give secrets, and the names by which other processes find them.

A pickle carries the name of such a function, never the function: pickled by value, as Spark does with functions of
the main program, it could take the secret along.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparkeeper.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Named:
    """A function in a module, found where it is called."""

    module: str
    function: str

    def __call__(self) -> Any:  # noqa: ANN401 - whatever it returns is checked by the caller
        """Call it."""
        return _find(importlib.import_module(self.module), self.function)()


def named(function: Callable[[], str]) -> Named:
    """Return what finds `function` in another process.

    Raises:
        ConfigError: No other process would find it.
    """
    found = function if isinstance(function, Named) else _by_name(function)
    if found is None:
        raise ConfigError(
            f"auth: {name(function)} gives the secret here, and another process would not find it; to use this "
            "coordinator there, define a function at the top of a module that can be imported there"
        )
    return found


def name(function: Callable[[], str]) -> str:
    """Return what to call `function` in messages: the same for the same function, another for any other."""
    found = function if isinstance(function, Named) else _by_name(function)
    if found is not None:
        return f"{found.module}.{found.function}"
    return f"{getattr(function, '__qualname__', type(function).__qualname__)} at {id(function):#x}"


def _by_name(function: object) -> Named | None:
    module, qualified = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    # Another process has another main module.
    if not isinstance(module, str) or not isinstance(qualified, str) or module == "__main__":
        return None
    try:
        found = _find(sys.modules[module], qualified)
    except (AttributeError, KeyError):
        return None
    return Named(module, qualified) if found is function else None


def _find(where: object, qualified: str) -> Any:  # noqa: ANN401 - whatever has that name
    for part in qualified.split("."):
        where = getattr(where, part)
    return where
