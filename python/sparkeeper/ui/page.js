// Follows the server's events, and draws what they tell; every second too, so that times go on.

import { children, h, morph } from "./dom.js";
import { sections } from "./sections.js";
import { clock } from "./words.js";

const SILENCE = 15_000;
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

function listen() {
  source?.close();
  source = new EventSource("/events");
  source.addEventListener("message", ({ data }) => {
    state = JSON.parse(data);
    lost = null;
    draw();
  });
  source.addEventListener("beat", ({ data }) => {
    heard = Date.now();
    // Times are the server's: this machine's clock may be another's, in a container or behind a tunnel.
    offset = Number(data) - heard;
  });
  source.addEventListener("error", () => {
    lost ??= Date.now();
    draw();
    // A browser gives up where it got an answer that it did not like.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 1000);
  });
}

function draw() {
  const silent = lost ?? (state && Date.now() - heard > SILENCE ? heard : null);
  const now = tell(silent);
  if (state === null) return;
  const parts = sections(state, now);
  morph(document.getElementById("sections"), h("nav", { id: "sections", "aria-label": "Sections" },
    parts.map(([id, title, many]) => h("a", { key: id, href: `#${id}` }, title, " ", h("b", {}, `${many}`)))));
  children(document.getElementById("main"), h("main", {}, parts.map(([id, title, , content]) => h(
    "section", { key: id, id, "aria-labelledby": `${id}-title` }, h("h2", { id: `${id}-title` }, title), content(),
  ))));
}

/** Says how it stands; returns up to when everything is known, on the server's clock. */
function tell(silent) {
  const link = state?.link;
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
  if (document.hidden) source.close();
  else listen();
});
setInterval(draw, 1000);
listen();
