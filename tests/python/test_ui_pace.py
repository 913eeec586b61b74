"""How soon the page of `sparkeeper ui` shows what goes on, in a real Chromium, however much that is."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page

    import sparkeeper


MANY = 300
# How many seconds the time that the page gives is behind ours.
LATE = """() => {
    const [hours, minutes, seconds] = document.getElementById("as-of").textContent.match(/\\d+/g).map(Number);
    const now = new Date();
    const late = (now.getHours() - hours) * 3600 + (now.getMinutes() - minutes) * 60 + now.getSeconds() - seconds;
    return ((late + 43_200 + 86_400) % 86_400) - 43_200;
}"""
# Counts how often the page is drawn.
DRAWS = """() => {
    window.draws = 0;
    const next = window.requestAnimationFrame;
    window.requestAnimationFrame = (draw) => next((at) => { window.draws += 1; draw(at); });
}"""
HOLDS = """([path, owner]) => document.querySelector(`#locks tr[data-key="${path}"] .holds b`)?.textContent === owner"""


def test_a_lock_that_changes_hands_is_seen_within_a_second(
    page: Page, coordinator: Callable[..., sparkeeper.Coordinator]
) -> None:
    people = [coordinator(owner=f"owner-{number}") for number in range(5)]
    took = []
    held = people[0].lock("a").acquire()
    for zk in people[1:]:
        held.release()
        held = zk.lock("a").acquire()
        began = time.monotonic()
        page.wait_for_function(
            "owner => document.querySelector('#locks .holds b')?.textContent === owner", arg=zk.owner
        )
        took.append(time.monotonic() - began)
    print(f"seen after {', '.join(f'{1000 * one:.0f} ms' for one in took)}")  # noqa: T201 - figures
    assert max(took) < 1


def test_a_page_that_is_opened_while_nothing_happens_shows_the_present_time(
    zk: sparkeeper.Coordinator, open_page: Callable[..., Page]
) -> None:
    ready = time.monotonic()
    zk.lock("a").acquire()
    expect(open_page().locator("#locks .holds b")).to_have_count(1)
    wait_for(lambda: time.monotonic() - ready > 4, 10, "the state to be old")
    page = open_page()
    assert abs(page.evaluate(LATE)) < 3
    held = page.locator("#locks .holds small").inner_text()
    assert int(re.match(r"for (?:at least )?(\d+) s", held)[1]) >= 3


def test_pages_that_nobody_sees_keep_no_other_from_its_state(browser: Browser, url: str) -> None:
    # A browser has six connections to a server.
    with browser.new_context() as context:
        behind = [context.new_page() for _ in range(8)]
        for page in behind:
            # A browser without windows shows every page.
            page.add_init_script("Object.defineProperty(document, 'hidden', { value: true, writable: true });")
            page.goto(url)
        front = context.new_page()
        front.goto(url)
        expect(front.locator("#status")).to_have_text("Live")
        expect(behind[0].locator("#status")).to_have_text("Connecting")
        behind[0].evaluate("document.hidden = false; document.dispatchEvent(new Event('visibilitychange'));")
        expect(behind[0].locator("#status")).to_have_text("Live")


def test_the_axis_is_seen_beside_every_lane(page: Page, zk: sparkeeper.Coordinator) -> None:
    for number in range(40):
        zk.lock(f"{number:02}").acquire()
    lanes = page.locator("#timeline article")
    expect(lanes).to_have_count(40)
    for width, lane in ((1280, lanes.last), (1280, lanes.nth(20)), (360, lanes.last)):
        page.set_viewport_size({"width": width, "height": 900})
        lane.evaluate("(one) => one.scrollIntoView({ behavior: 'instant', block: 'end' })")
        expect(lane).to_be_in_viewport()
        assert (
            page.locator(".axis span").evaluate_all("""(all) => all.map((one) => {
            const { x, y, width, height } = one.getBoundingClientRect();
            return document.elementFromPoint(x + width / 2, y + height / 2) === one;
        })""")
            == [True] * 3
        )


def test_what_is_open_stays_so_while_there_is_no_more_for_a_moment(
    page: Page, coordinator: Callable[..., sparkeeper.Coordinator]
) -> None:
    done, threads = threading.Event(), []

    def wait() -> None:
        zk = coordinator()

        def hold() -> None:
            with zk.lock("a").acquire():
                done.wait()

        threads.append(threading.Thread(target=hold, daemon=True))
        threads[-1].start()

    held = coordinator().lock("a").acquire()
    details = page.locator("#locks td").nth(1).locator("details")
    try:
        expect(details).to_be_hidden()
        for _ in range(4):
            wait()
        summary = details.locator("summary")
        expect(summary).to_have_text("and 1 more")
        summary.focus()
        page.keyboard.press("Enter")
        held.release()
        expect(summary).to_have_text("and no more")
        expect(summary).to_be_focused()
        wait()
        expect(summary).to_have_text("and 1 more")
        expect(summary).to_be_focused()
        expect(details).to_have_attribute("open", "")
    finally:
        done.set()
    for thread in threads:
        thread.join()
    page.locator("main").focus()
    expect(details).to_be_hidden()


def test_many_locks_on_a_slow_machine_are_never_long_behind(
    page: Page, zk: sparkeeper.Coordinator, coordinator: Callable[..., sparkeeper.Coordinator]
) -> None:
    for number in range(MANY):
        zk.lock(f"jobs/{number:03}").acquire()
    expect(page.locator("#timeline article")).to_have_count(MANY, timeout=60_000)
    people, restless, stop = (
        [coordinator(owner=f"owner-{number}") for number in range(3)],
        coordinator(),
        threading.Event(),
    )

    def change() -> None:
        while not stop.is_set():
            # 20 times a second.
            with restless.lock("a").acquire():
                stop.wait(0.025)
            stop.wait(0.025)

    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 4})
    page.evaluate(DRAWS)
    changing, began, took, held = threading.Thread(target=change), time.monotonic(), [], None
    changing.start()
    try:
        while time.monotonic() - began < 10:
            for one in people:
                if held:
                    held.release()
                held, since = one.lock("b").acquire(), time.monotonic()
                # The page's frames are what is counted.
                page.wait_for_function(HOLDS, arg=["b", one.owner], polling=50, timeout=60_000)
                took.append(time.monotonic() - since)
    finally:
        stop.set()
        changing.join()
    draws, lasted = page.evaluate("window.draws"), time.monotonic() - began
    print(f"seen after {sorted(round(one, 2) for one in took)} s, {draws} draws in {lasted:.1f} s")  # noqa: T201 - figures
    assert max(took) < 5
    assert 0 < draws <= 4 * lasted + 1
