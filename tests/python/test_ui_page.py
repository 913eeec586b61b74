"""The page of `sparkeeper ui` in a real Chromium: what a person sees there."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from commands import Shell
from pages import CONTRASTS, REACHED, serving
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page
    from pyspark.sql import SparkSession

    import sparkeeper
    from proxy import Proxy

SECTIONS = ["locks", "elections", "timeline", "groups", "balance", "work", "tables", "sessions"]
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


@pytest.fixture
def busy(
    coordinator: Callable[..., sparkeeper.Coordinator], spark: SparkSession, tmp_path: Path
) -> Iterator[list[Any]]:
    """Something of each kind, and somebody who waits."""
    zk, other = coordinator(owner="busy"), coordinator(owner=HOSTILE)
    held = [
        zk.lock("jobs/nightly").acquire(),
        zk.semaphore("jdbc", permits=3).acquire(2),
        zk.election("leader").campaign(),
        zk.group("workers").join(b""),
        zk.partitions("backfill", range(12)).join("one"),
    ]
    wait_for(lambda: len(held[-1].held) == 12, 60, "the first to have all")
    held.append(zk.partitions("backfill").join("two"))
    zk.tasks("thumbnails").submit([1, 2, 3])
    zk.write(spark.range(10)).job_id("2024-01-01").save(tmp_path / "table")
    zk.partition_plan("routes", spark.range(100).selectExpr("id % 7 as key"), by="key", partitions=4)
    waiting = threading.Thread(target=other.lock("jobs/nightly").acquire)
    waiting.start()
    yield held
    held[0].release()
    waiting.join(60)


def test_a_change_of_leaders_is_on_the_timeline(page: Page, coordinator: Callable[..., sparkeeper.Coordinator]) -> None:
    lane = page.locator("#timeline article", has_text="streams/orders")
    for owner in ("first", "second"):
        term = coordinator(owner=owner).election("streams/orders").campaign()
        expect(lane.locator(".span text").last).to_have_text(owner)
        term.step_down()
    expect(page.locator("#elections .empty")).to_be_visible()
    words = lane.get_by_role("img").get_attribute("aria-label")
    assert words.index("first led from") < words.index("second led from")
    lane.get_by_text("As a table").click()
    expect(lane.locator("tbody tr")).to_have_count(2)
    expect(lane.locator("tbody th").first).to_have_text("second")
    assert lane.locator("tbody tr", has_text="now").count() == 0


def test_leaders_that_are_not_kept_are_not_said_to_be_nobody(page: Page, zk: sparkeeper.Coordinator) -> None:
    lane = page.locator("#timeline article")
    for _ in range(25):
        with zk.lock("a").acquire() as held:
            expect(page.locator("#locks .holds small")).to_contain_text(f"token {held.token}")
    hatched = lane.locator(".older")
    expect(hatched.locator("text")).to_have_text("what was before is not kept")
    shown = lane.locator(".span:not(.older)")
    expect(shown).to_have_count(20)
    # From the beginning to where what is kept begins.
    track, before, after = lane.evaluate("""(lane) => [".track", ".older", ".span:not(.older)"]
        .map((one) => lane.querySelector(one).getBoundingClientRect()).map(({ left, right }) => [left, right])""")
    assert before[0] == pytest.approx(track[0], abs=1)
    assert before[0] + 10 < before[1] <= after[0] + 1
    assert "what was before is not kept, up to" in lane.get_by_role("img").get_attribute("aria-label")
    lane.get_by_text("As a table").click()
    expect(lane.locator("tbody th").last).to_have_text("what was before is not kept")
    assert [one for one in page.evaluate(CONTRASTS) if one["ratio"] < 4.5] == []


def test_a_commit_appears_in_the_history(
    page: Page, zk: sparkeeper.Coordinator, spark: SparkSession, tmp_path: Path
) -> None:
    rows = page.locator("#tables tbody tr")
    for version, mode in enumerate(("append", "overwrite"), 1):
        zk.write(spark.range(10).coalesce(1)).mode(mode).job_id(f"job-{version}").save(tmp_path / "table")
        expect(rows).to_have_count(version, timeout=10_000)
        expect(rows.first).to_contain_text(mode)
        expect(rows.first).to_contain_text(f"job-{version}")
        expect(rows.first).to_contain_text("1 file, ")
    expect(page.locator("#tables")).to_contain_text("Version 2, 1 file, ")


def test_who_comes_takes_a_share_that_is_shown_beside_what_was_before(
    page: Page, coordinator: Callable[..., sparkeeper.Coordinator]
) -> None:
    table = page.get_by_role("region", name="How backfill is divided, by items")
    one = coordinator().partitions("backfill", range(12)).join("one")
    expect(table.get_by_role("row", name="one")).to_contain_text("12")
    expect(page.locator("#balance")).to_contain_text("What was before is not known")
    two = coordinator().partitions("backfill").join("two")
    wait_for(lambda: len(one.held) == len(two.held) == 6, 60, "both to have a share")
    expect(table.get_by_role("row", name="two")).to_contain_text("0")
    for name, before in (("one", "12"), ("two", "0")):
        expect(table.get_by_role("row", name=name).get_by_role("cell")).to_have_text(["", before, "6", "6"])
    bars = [rect.bounding_box()["width"] for rect in table.get_by_role("row", name="one").locator("rect").all()]
    assert bars[0] == pytest.approx(2 * bars[1], rel=0.05)


def test_who_is_larger_has_more_for_which_the_balance_allows(
    page: Page, coordinator: Callable[..., sparkeeper.Coordinator]
) -> None:
    one = coordinator().partitions("backfill", range(12)).join("one")
    balance = page.locator("#balance")
    expect(balance).to_contain_text("The fullest has 12, and at least 12 is needed")
    expect(balance.get_by_role("columnheader", name="Capacity")).to_have_count(0)
    three = coordinator().partitions("backfill").join("three", capacity=3.0)
    wait_for(lambda: (len(one.held), len(three.held)) == (3, 9), 60, "each to have its share")
    expect(balance).to_contain_text("For each unit of capacity, the fullest has 3, and at least 3 is needed")
    for name, cells in (("one", ["", "12", "3", "3", "1"]), ("three", ["", "0", "9", "9", "3"])):
        expect(balance.get_by_role("row", name=name).get_by_role("cell")).to_have_text(cells)


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out(open_page: Callable[..., Page], scheme: str) -> None:
    page = open_page(scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    found = page.evaluate(CONTRASTS)
    assert {one["section"] for one in found} >= set(SECTIONS)
    assert [one for one in found if one["ratio"] < 4.5] == []
    grounds = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, grounds[4:-1].split(","))) > 384) == (scheme == "light")


@pytest.mark.usefixtures("busy")
def test_a_phone_scrolls_in_one_direction_only(open_page: Callable[..., Page]) -> None:
    page = open_page(width=360)
    expect(page.locator("#tables tbody tr")).to_have_count(1)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    # What is wider scrolls in a box of its own; all else ends where the screen does.
    assert (
        page.evaluate("""() => [...document.querySelectorAll("main *")].filter((one) => one.checkVisibility()
        && !one.closest(".box, svg, caption, thead") && one.getBoundingClientRect().right > 360.5)
        .map((one) => one.outerHTML)""")
        == []
    )
    # A table that is laid out as cards still is one.
    row = page.get_by_role("table", name="Who holds and who waits").first.get_by_role("row", name="jobs/nightly")
    expect(row.get_by_role("cell").first).to_contain_text("busy")


@pytest.mark.usefixtures("busy")
def test_tab_reaches_everything_in_order(page: Page) -> None:
    expect(page.locator("#tables tbody tr")).to_have_count(1)
    expected = page.evaluate(REACHED)
    assert len(expected) > len(SECTIONS) + 1
    for wanted in expected:
        page.keyboard.press("Tab")
        text, outline = page.evaluate("""() => {
            const one = document.activeElement;
            return [one.textContent.slice(0, 60), getComputedStyle(one).outlineStyle !== "none"];
        }""")
        assert text == wanted
        assert outline is True
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.locator("#timeline summary").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#timeline details").first).to_have_attribute("open", "")


def test_names_are_text_whatever_they_say(
    page: Page, coordinator: Callable[..., sparkeeper.Coordinator], namespace: str
) -> None:
    zk = coordinator(owner=HOSTILE)
    zk.lock("<b>bold").acquire()
    zk.lock("turned \u202e around").acquire()
    zk.election(HOSTILE.replace("/", "|")).campaign()
    zk.group("<script>alert(1)<|script>").join(HOSTILE.encode())
    expect(page.locator("#locks .holds b")).to_have_text([HOSTILE, HOSTILE])
    bold, turned = page.locator("#locks tbody th").all()
    expect(bold).to_contain_text("<b>bold")
    # What stands behind a name that is written from right to left is not.
    first, last = turned.locator("small").evaluate("""({ firstChild: text }) => [0, text.length - 1].map((at) => {
        const range = document.createRange();
        range.setStart(text, at);
        range.setEnd(text, at + 1);
        return range.getBoundingClientRect().left;
    })""")
    assert first < last
    # Nor does a long name break the words beside it.
    assert page.locator("#locks .nobody").first.evaluate("(one) => one.getClientRects().length") == 1
    expect(page.locator("#timeline .span text").first).to_have_text(HOSTILE)
    expect(page.locator("#groups tbody th")).to_contain_text("<script>alert(1)<|script>")
    assert page.locator("main img, main script, main th > b").count() == 0
    assert page.title().startswith(namespace)


@pytest.mark.usefixtures("busy")
def test_an_update_keeps_the_focus_and_what_is_open(
    page: Page, coordinator: Callable[..., sparkeeper.Coordinator]
) -> None:
    lane = page.locator("#timeline article", has_text="jobs/nightly")
    lane.locator("summary").focus()
    page.keyboard.press("Enter")
    page.evaluate("document.activeElement.dataset.mine = '1'")
    # Before and behind it in the order of the paths.
    with coordinator().lock("a").acquire(), coordinator().lock("z").acquire():
        expect(page.locator("#timeline article", has_text="a lock")).to_have_count(1)
        expect(page.locator("#timeline article", has_text="z lock")).to_have_count(1)
    expect(page.locator("#locks tbody th", has_text="z lock")).to_have_count(0)
    expect(lane.locator("details")).to_have_attribute("open", "")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    expect(lane.locator("tbody th").first).to_have_text("busy")


def test_where_nothing_goes_on_it_says_what_to_try(page: Page) -> None:
    for section in SECTIONS:
        empty = page.locator(f"#{section} .empty")
        expect(empty).to_have_count(1)
        expect(empty.locator("code")).not_to_be_empty()
    expect(page.locator("#locks code")).to_have_text("sparkeeper lock jobs/demo -- sleep 60")


def test_a_page_without_its_server_says_so_and_comes_back(
    browser: Browser, connect_string: str, namespace: str, zk: sparkeeper.Coordinator, tmp_path: Path
) -> None:
    shell = Shell(connect_string, namespace)
    page = browser.new_page(viewport={"width": 360, "height": 700})
    page.clock.install()
    status, as_of, held = (page.locator(one) for one in ("#status", "#as-of", "#locks .holds small"))
    zk.lock("before").acquire()
    with serving(shell, tmp_path) as (_, url):
        page.goto(url)
        expect(status).to_have_text("Live")
    expect(status).to_contain_text("sparkeeper ui does not answer")
    known = as_of.inner_text(), held.inner_text()
    page.clock.fast_forward(60_000)
    # Nobody knows whether it is held still.
    assert (as_of.inner_text(), held.inner_text()) == known
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    expect(status).to_be_in_viewport()
    zk.lock("meanwhile").acquire()
    with serving(shell, tmp_path, urlsplit(url).port):
        expect(page.locator("#locks")).to_contain_text("meanwhile", timeout=20_000)
        expect(status).to_have_text("Live")
        assert as_of.inner_text() != known[0]
    page.close()


def test_a_page_without_an_ensemble_says_so_and_comes_back(
    browser: Browser, proxy: Proxy, namespace: str, zk: sparkeeper.Coordinator, tmp_path: Path
) -> None:
    page = browser.new_page()
    status = page.locator("#status")
    with serving(Shell(proxy.connect_string, namespace), tmp_path) as (_, url):
        page.goto(url)
        expect(status).to_have_text("Live")
        proxy.cut()
        expect(status).to_contain_text("this is the last that is known", timeout=30_000)
        zk.lock("meanwhile").acquire()
        proxy.heal()
        expect(page.locator("#locks")).to_contain_text("meanwhile", timeout=60_000)
        expect(status).to_have_text("Live")
        page.close()
