"""The pages for those who come from kazoo and Curator: what these libraries offer is named there."""

from __future__ import annotations

import asyncio
import inspect
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import kazoo.exceptions
import kazoo.retry
import pytest
from kazoo.client import KazooClient
from kazoo.protocol import states
from kazoo.recipe import barrier, cache, counter, election, lease, lock, partitioner, party, queue, watchers

import sparkeeper
from doc_pages import ROOT
from sparkeeper import exceptions

_RECIPES = (barrier, cache, counter, election, lease, lock, partitioner, party, queue, watchers)
# What the recipes are made of; nobody gets one.
_INSIDE = {"BaseParty", "BaseQueue", "TreeNode", "Callback"}


def _kinds(module: Any) -> list[type]:
    """The classes that a module defines, without second names."""
    return [
        kind
        for name, kind in vars(module).items()
        if inspect.isclass(kind)
        and (kind.__module__, kind.__name__) == (module.__name__, name)
        and not name.startswith("_")
        and name not in _INSIDE
    ]


def _members(kind: type) -> list[str]:
    """Methods and properties; a `…_async` goes by the name of its sibling."""
    return [
        name
        for name, member in inspect.getmembers(kind)
        if not name.startswith("_")
        and not name.endswith("_async")
        and (inspect.isfunction(member) or isinstance(member, property))
    ]


def _named(page: str, about: str = "") -> set[str]:
    """The words of code in the first cells of a page's tables, of those that are about something."""
    cells = re.findall(r"^\| (.+?) \|", (ROOT / "docs/migration" / page).read_text(), re.MULTILINE)
    codes = [" ".join(re.findall(r"`([^`]+)`", cell)) for cell in cells]
    return {word for code in codes if re.search(rf"\b{about}\b", code) for word in re.findall(r"\w+", code)}


def test_every_part_of_kazoos_client_is_named():
    offered = {*_members(KazooClient), *inspect.signature(KazooClient).parameters} - {"kwargs"}
    assert offered - _named("kazoo.md") == set()


def test_every_class_of_kazoo_is_named():
    offered = [kind for module in (*_RECIPES, kazoo.exceptions, kazoo.retry, states) for kind in _kinds(module)]
    assert len(offered) > 60
    assert {kind.__name__ for kind in offered} - _named("kazoo.md") == set()


@pytest.mark.parametrize(
    "kind", [kind for module in _RECIPES for kind in _kinds(module) if not issubclass(kind, tuple)]
)
def test_every_part_of_kazoos_recipes_is_named(kind):
    base = next(other.__name__ for other in reversed(kind.__mro__) if other is not object)
    about = kind.__name__ if base in _INSIDE else base
    assert set(_members(kind)) - _named("kazoo.md", about) == set()


def test_every_public_class_of_curators_recipes_is_named():
    import pyspark  # noqa: PLC0415 - only for its jars

    jars = Path(pyspark.__file__).parent / "jars"
    (recipes,) = jars.glob("curator-recipes-*.jar")
    files = (name for name in zipfile.ZipFile(recipes).namelist() if name.startswith("org/apache/curator/framework/"))
    classes = [file.removesuffix(".class") for file in files if file.endswith(".class") and "$" not in file]
    command = ["javap", "-public", "-cp", f"{jars}/*", *classes]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    public = re.findall(r"^public (?:abstract |final )?(?:class|interface) (?:\w+\.)*(\w+)", said, re.MULTILINE)
    assert len(public) > 60
    assert set(public) - _named("curator.md") == set()


@pytest.mark.parametrize("page", ["kazoo.md", "curator.md"])
def test_what_is_named_beside_it_is_ours(page):
    ours = [getattr(sparkeeper, name) for name in sparkeeper.__all__]
    known = {*sparkeeper.__all__, *dir(exceptions), *dir(asyncio), *(name for kind in ours for name in dir(kind))}
    cells = re.findall(r"^\| .+? \| (.+?) \|", (ROOT / "docs/migration" / page).read_text(), re.MULTILINE)
    codes = [code for cell in cells for code in re.findall(r"`([^`]+)`", cell)]
    called = {word for code in codes for word in re.findall(r"\w+(?=\()|(?<=\w\.)\w+|^[A-Z]\w+$", code)}
    assert called - known == set()
