"""What comes with the extra `spark`, imported where it is first needed."""

from __future__ import annotations

import importlib
from typing import Any

from sparkeeper.exceptions import ConfigError


def needs(who: str, module: str) -> Any:  # noqa: ANN401 - a module
    """Return the module that `who` cannot do without.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{who} needs {error.name}, which is not installed: pip install 'sparkeeper[spark]'"
        ) from error
