"""What the pages say can be done: every Python block runs, every command exists, every link leads somewhere."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import typer

import sparkeeper
from doc_pages import PAGES, ROOT, blocks, run
from sparkeeper import exceptions
from sparkeeper.cli.app import app
from stages import stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_WITH_PYTHON = [page for page in PAGES if any(block.language == "python" for block in blocks(page))]
_WITH_SHELL = [page for page in PAGES if any(block.language == "shell" for block in blocks(page))]
# What is called from shells and is not ours to check.
_OTHERS = {"conda", "docker", "export", "git", "hdfs", "pip", "python", "source", "spark-submit", "venv-pack"}


@pytest.fixture
def names(spark, zk, connect_string, namespace, monkeypatch) -> Iterator[dict[str, object]]:
    """What every page takes for granted."""
    monkeypatch.setenv("ZK_AUTH", "etl:secret")
    spark.conf.set("spark.zookeeper.connect", connect_string)
    spark.conf.set("spark.zookeeper.namespace", namespace)
    # Half of all rows go to one place.
    columns = ("id", "CASE WHEN id % 2 = 0 THEN 'ATL' ELSE concat('D', id % 7) END AS dest", "id % 60 AS delay")
    df = spark.range(100).selectExpr(*columns)
    yield {"sparkeeper": sparkeeper, "spark": spark, "zk": zk, "df": df, "servers": connect_string}
    for query in spark.streams.active:
        query.stop()
    for name in ("connect", "namespace"):
        spark.conf.unset(f"spark.zookeeper.{name}")


@pytest.mark.parametrize("page", _WITH_PYTHON)
def test_every_python_block_runs(page, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with stage(page, names, tmp_path):
        run(page, names, tmp_path)
        for query in names["spark"].streams.active:
            query.processAllAvailable()


@pytest.mark.parametrize("page", _WITH_SHELL)
def test_every_command_exists(page):
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for line in _commands(page):
        program, *arguments = line
        if program == "make":
            assert set(arguments) <= set(targets)
        elif program == "sparkeeper":
            _parse(arguments)
        elif program not in _OTHERS:
            assert (ROOT / program).is_file(), f"{program} is no program that this test knows"


def _commands(page: str) -> Iterator[list[str]]:
    for block in blocks(page):
        if block.language == "shell":
            for line in block.text.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words:
                    yield words


def _parse(arguments: list[str]) -> None:
    """Parse as the command line does, without running anything; a usage error names what is wrong."""
    command = typer.main.get_command(app)
    context = command.make_context("sparkeeper", list(arguments))
    while hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)


def test_no_block_is_left_unnamed():
    unnamed = [f"{page}:{block.line}" for page in PAGES for block in blocks(page) if not block.language]
    assert unnamed == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text)):
        if not target.startswith(("https:", "mailto:")):
            file, _, anchor = target.partition("#")
            there = ((ROOT / page).parent / file).resolve() if file else ROOT / page
            assert there.exists(), f"{page} links to {target}"
            assert not anchor or anchor in _anchors(there), f"{page} links to {target}"


def _anchors(page: Path) -> list[str]:
    """The anchors of a page's headings, by GitHub's rules."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def test_the_readme_says_the_same_in_both_languages():
    english, chinese = ((ROOT / page).read_text() for page in ("README.md", "README.zh-CN.md"))
    assert _same_everywhere(english) == _same_everywhere(chinese)


def _same_everywhere(text: str) -> dict[str, list[object]]:
    """What has no language: blocks, code and figures in the order of rows and items, and where links lead."""
    rows = [line for line in text.replace("\n  ", " ").splitlines() if line.startswith(("|", "- "))]
    return {
        "blocks": re.findall(r"^```.*?^```$", text, re.MULTILINE | re.DOTALL),
        "headings": re.findall(r"^#+ ", text, re.MULTILINE),
        "figures": [sorted(re.findall(r"\d[\d.,]*\d|\d", row)) for row in rows],
        "code": [sorted(re.findall(r"`[^`]+`", row)) for row in rows],
        "prose figures": sorted(re.findall(r"\d[\d.,]*\d|\d", text)),
        "links": sorted(re.findall(r"\]\(((?!README|#)[^)]+)\)", text)),
    }


_TROUBLESHOOTING = ROOT / "docs/operations/troubleshooting.md"


def test_messages_that_are_explained_are_said():
    sources = [*ROOT.glob("src/**/*.rs"), *ROOT.glob("python/**/*.py")]
    # Without the seams of texts that go over several lines.
    said = re.sub(r'\\\n\s*|"\s*\n\s*f?"', "", "\n".join(source.read_text() for source in sources))
    explained = re.findall(r"^\| `(.+?)` \|", _TROUBLESHOOTING.read_text(), re.MULTILINE)
    assert len(explained) > 40
    assert [part for message in explained for part in message.split("…") if part.strip() not in said] == []


def test_every_class_of_error_has_a_message_that_is_explained():
    """Of each class the message that a user meets first; not every one that the sources have."""
    causes = "\n".join(re.findall(r"^\| `.+?` \| (.+?) \|", _TROUBLESHOOTING.read_text(), re.MULTILINE))
    raised = [name for name, kind in vars(exceptions).items() if isinstance(kind, type)]
    assert [name for name in raised if f"`{name}`" not in causes] == []


def test_the_reference_has_every_public_name():
    reference = "\n".join(page.read_text() for page in ROOT.glob("docs/reference/*.md"))
    public = [name for name in sparkeeper.__all__ if name != "exceptions"]
    assert [name for name in public if not re.search(rf":: sparkeeper\.{name}$", reference, re.MULTILINE)] == []


def test_the_pages_build_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", ROOT / "docs", tmp_path]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (built.returncode, built.stderr) == (0, "")
