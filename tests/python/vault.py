"""Functions that give secrets, as a user's module would have them."""

from __future__ import annotations

import os
from pathlib import Path


def credential() -> str:
    """Return the credential of today, which is in a file that the environment names."""
    return Path(os.environ["TEST_VAULT"]).read_text(encoding="utf-8").strip()


class Vault:
    """A class with such a function."""

    @staticmethod
    def credential() -> str:
        """Return the same."""
        return credential()
