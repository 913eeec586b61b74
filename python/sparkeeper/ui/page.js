// Follows the server's events, and draws what they tell; every second times go on in what is drawn.

import { goOn } from "./charts.js";
import { children, h, morph } from "./dom.js";
import { sections } from "./sections.js";
import { clock } from "./words.js";

const SILENCE = 15_000;
const REST = 250;
const STALE = 60_000;
const STATES = {
  CONNECTED: "Live",
  SUSPENDED: "The ensemble does not answer; this is the last that is known. It comes back by itself.",
  EXPIRED: "The session has ended, and another one is being opened; this is the last that is known.",
  CLOSED: "The connection is closed; this is the last that is known.",
};
const GONE = "sparkeeper ui does not answer; this is the last that is known. It comes back by itself once it runs again.";

let state = null;
let heard = 0;
let offset = 0;
let lost = null;
let source = null;
let due = false;
let drawn = -Infinity;
let rest = 0;

function listen() {
  source?.close();
  source = new EventSource("/events");
  source.addEventListener("message", ({ data }) => {
    state = JSON.parse(data);
    lost = null;
    drawSoon();
  });
  source.addEventListener("beat", ({ data }) => {
    heard = Date.now();
    // Times are the server's: this machine's clock may be another's, in a container or behind a tunnel.
    offset = Number(data) - heard;
  });
  source.addEventListener("error", () => {
    lost ??= Date.now();
    tick();
    // A browser gives up where it got an answer that it did not like.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 1000);
  });
}

/** Draws the newest state, once for all that come meanwhile: what is drawn late must not be late for the next too. */
function drawSoon() {
  if (due) return;
  due = true;
  setTimeout(() => requestAnimationFrame(() => {
    due = false;
    const began = performance.now();
    draw(tell());
    // With the layout, which takes as long.
    document.body.getBoundingClientRect();
    drawn = performance.now();
    rest = Math.max(REST, 2 * (drawn - began));
  }), Math.max(0, drawn + rest - performance.now()));
}

function tick() {
  const now = tell();
  if (now !== null) goOn(state.link.began, now);
  // What left the period that is shown.
  if (state && performance.now() - drawn > STALE) drawSoon();
}

function draw(now) {
  const parts = sections(state, now);
  morph(document.getElementById("sections"), h("nav", { id: "sections", "aria-label": "Sections" },
    parts.map(([id, title, many]) => h("a", { key: id, href: `#${id}` }, title, " ", h("b", {}, `${many}`)))));
  children(document.getElementById("main"), h("main", {}, parts.map(([id, title, , content]) => h(
    "section", { key: id, id, "aria-labelledby": `${id}-title` }, h("h2", { id: `${id}-title` }, title), content(),
  ))));
  goOn(state.link.began, now);
}

/** Says how it stands; returns up to when everything is known, on the server's clock. */
function tell() {
  const link = state?.link;
  const silent = lost ?? (link && Date.now() - heard > SILENCE ? heard : null);
  const text = silent !== null ? GONE : !link ? "Connecting" : link.trouble ?? STATES[link.state] ?? link.state;
  const badge = document.getElementById("status");
  // Unchanged text is not set again: a screen reader would say it again.
  if (badge.textContent !== text) badge.textContent = text;
  const stands = link?.state === "CONNECTED" && !link.trouble;
  badge.dataset.state = silent !== null ? "GONE" : stands ? "LIVE" : "WAITING";
  if (!link) return null;
  const known = stands ? (silent ?? Date.now()) + offset : link.as_of;
  document.getElementById("as-of").textContent = `as of ${clock(known)}`;
  document.getElementById("ensemble").textContent = link.ensemble;
  document.getElementById("namespace").textContent = link.namespace;
  document.title = `${link.namespace} - Sparkeeper`;
  return known;
}

// A browser has six connections to a server: pages that nobody sees take none.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) source?.close();
  else listen();
});
setInterval(tick, 1000);
if (!document.hidden) listen();
