// Drawings, each with the same in words beside it: lanes of who held when, and bars of how much each has.

import { h, kept, s } from "./dom.js";
import { ago, clock, count, isolated, since, table } from "./words.js";

const OLDER = "what was before is not kept";
const TRACK = 26;
const HUES = 6;
const SECONDS = 10_000;
const HOUR = 3_600_000;

/** The time that lanes show: since somebody watches, at least some seconds, at most an hour. */
export const period = (began, now) => ({ from: Math.min(Math.max(began, now - HOUR), now - SECONDS), to: now });

/** The ends and the middle of that time. */
export const axis = ({ from, to }) =>
  h("p", { class: "axis", "aria-hidden": "true" }, ends(from, to).map((at) => h("span", {}, clock(at))));

const ends = (from, to) => [from, (from + to) / 2, to];

/** Lets the time go on in what is drawn. */
export function goOn(began, now) {
  const { from, to } = period(began, now);
  for (const one of document.querySelectorAll("[data-since]")) say(one, ago(Number(one.dataset.since), now));
  for (const one of document.querySelectorAll(".axis")) {
    ends(from, to).forEach((at, place) => say(one.children[place], clock(at)));
  }
  for (const one of document.querySelectorAll(".span")) put(one, from, to);
}

function say(element, text) {
  if (element.firstChild.data !== text) element.firstChild.data = text;
}

/** Puts a bar where its time is within that which is shown. */
function put(bar, from, to) {
  const [began, ended] = [Number(bar.dataset.began), Number(bar.dataset.ended ?? to)];
  const percent = (span) => `${((100 * span) / (to - from)).toFixed(2)}%`;
  const left = Math.max(began, from);
  bar.setAttribute("x", percent(left - from));
  bar.setAttribute("width", ended < from ? 0 : percent(Math.max(ended - left, (to - from) / 300)));
}

/** One path: a bar for each holder, in as many tracks as hold at once. */
export function lane(found, { from, to }) {
  const shown = found.spans.filter((span) => (span.ended ?? to) >= from);
  const older = found.older > from;
  return kept("article", found.path, [found, shown.length, older], () => drawn(found, shown, older, to));
}

function drawn({ path, kind, spans, older }, shown, hatched, to) {
  const tracks = [];
  const bars = shown.map((span) => {
    const free = tracks.findIndex((end) => end <= span.began);
    const track = free < 0 ? tracks.length : free;
    tracks[track] = span.ended ?? Infinity;
    return s(
      "svg",
      { key: `${span.token}`, "aria-hidden": "true", "data-began": span.began, "data-ended": span.ended,
        y: track * TRACK, height: TRACK - 4, class: `span hue${hue(span.owner)}` },
      s("rect", { width: "100%", height: "100%", rx: 4 }),
      s("text", { x: 7, y: 16 }, span.owner),
    );
  });
  if (hatched) {
    bars.unshift(s(
      "svg", { key: "older", "aria-hidden": "true", "data-began": 0, "data-ended": older, height: "100%", class: "span older" },
      s("rect", { width: "100%", height: "100%" }), s("rect", { width: "100%", height: "100%", fill: "url(#hatch)" }),
      s("text", { x: 7, y: 16 }, OLDER),
    ));
  }
  const verb = kind === "election" ? "led" : "held";
  const words = [...(hatched ? [`${OLDER}, up to ${clock(older)}`] : []),
    ...shown.map((span) => `${span.owner} ${verb} ${said(span)}`)].join("; ") || "nobody within this time";
  const rows = [...spans].reverse().map((span) => ({
    key: `${span.token}`,
    cells: [span.owner, `${span.early ? "before " : ""}${clock(span.began)}`, span.ended ? clock(span.ended) : "now",
      span.ended ? ago(span.began, span.ended) : since(span.began, to), span.token],
  }));
  if (older) rows.push({ key: "older", cells: [OLDER, null, clock(older), null, null] });
  return h(
    "article", { key: path, class: "lane" },
    h("h3", {}, isolated(path), " ", h("small", {}, kind.replace("_", "/").replace("_", " "))),
    s("svg", { class: "track", role: "img", "aria-label": `${path}: ${words}`, width: "100%",
      height: Math.max(tracks.length, 1) * TRACK - 4 }, bars),
    h("details", {}, h("summary", {}, "As a table"),
      table(`Who ${verb} ${path}`, ["Who", "From", "Until", "For", "Token"], rows, "scroll")),
  );
}

const said = (span) =>
  `${span.early ? "from before " : "from "}${clock(span.began)}${span.ended ? ` to ${clock(span.ended)}` : " on"}`;

/** Rows of a name and its load now, with bars, and before, where anything is known of that. */
export function balance(caption, [first, past, present, ...others], rows) {
  const both = rows.some(({ before }) => before !== null);
  const most = Math.max(1, ...rows.flatMap(({ before, now }) => [before ?? 0, now]));
  const bar = (kind, value, y) =>
    s("rect", { class: kind, y, height: 9, width: `${((100 * value) / most).toFixed(2)}%`, rx: 2 });
  const heads = [first, "Beside the others", both && [swatch("before"), past], [swatch("after"), present], ...others];
  return table(caption, heads.filter(Boolean), rows.map(({ name, before, now, more = [] }) => ({
    key: name,
    cells: [name,
      s("svg", { class: "bars", width: "100%", height: both ? 21 : 9, "aria-hidden": "true" },
        both && bar("before", before ?? 0, 0), bar("after", now, both ? 11 : 0)),
      both && count(before ?? 0), count(now), ...more].filter((cell) => cell !== false),
  })), "scroll");
}

const swatch = (kind) => s("svg", { class: "swatch", width: 9, height: 9, "aria-hidden": "true" },
  s("rect", { class: kind, width: 9, height: 9, rx: 2 }));

const hues = new Map();

/** One of a few colours for a name, the same wherever it stands, and another for the next name. */
function hue(name) {
  if (!hues.has(name)) hues.set(name, hues.size % HUES);
  return hues.get(name);
}
