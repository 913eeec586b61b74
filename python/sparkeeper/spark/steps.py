"""The steps of a fault-tolerant write, named so that progress can be shown and tests can kill at each of them."""

from __future__ import annotations

import enum


class Step(str, enum.Enum):
    """What a write has just done."""

    REGISTERED = "registered"
    """The table is known to ZooKeeper; its directory does not say so yet. Only a table's first write does this."""
    OPENED = "opened"
    """Directory and ZooKeeper agree which table this is."""
    RECOVERED = "recovered"
    """What earlier writers left is published or deleted."""
    BEGUN = "begun"
    """The transaction is on."""
    STAGED = "staged"
    """Spark has written its files, privately."""
    NAMED = "named"
    """The final names are noted, for whoever may have to take them away."""
    RELOCATED = "relocated"
    """The files lie under their final names, where no reader looks yet."""
    PROPOSED = "proposed"
    """The manifest lies in its place. Each lost race brings another."""
    COMMITTED = "committed"
    """It is the table's next version, for ever."""
    PUBLISHED = "published"
    """Plain readers see it."""
    CLEANED = "cleaned"
    """The staging and the transaction are gone."""
