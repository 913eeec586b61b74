// How things are written: times, numbers, tables, commands to try.

import { h, kept } from "./dom.js";

const UNITS = [[86_400, "d"], [3_600, "h"], [60, "min"], [1, "s"]];
const SIZES = ["bytes", "kB", "MB", "GB", "TB", "PB"];

export const clock = (at) => new Date(at).toLocaleTimeString("en-GB");
export const moment = (at) => `${new Date(at).toLocaleDateString("en-CA")} ${clock(at)}`;
export const count = (value) => value.toLocaleString("en");
export const number = (value, noun) => `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
export const isolated = (text) => h("bdi", {}, text);

export function ago(since, now) {
  const seconds = Math.max(0, (now - since) / 1000);
  const [size, unit] = UNITS.find(([size]) => seconds >= size) ?? [1, "s"];
  return `${Math.floor(seconds / size)} ${unit}`;
}

/** How long ago that is; `goOn` has it go on. */
export const since = (at, now) => h("span", { "data-since": at }, ago(at, now));

export function size(bytes) {
  const power = bytes < 1000 ? 0 : Math.min(SIZES.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${power ? (bytes / 1000 ** power).toPrecision(3) : bytes} ${SIZES[power]}`;
}

/**
 * A table whose roles hold also where the style lays its rows out as cards. `form`: "cards" on a phone, or "scroll".
 * Cells may be a function, for when what the row `shows` has changed.
 */
export function table(caption, heads, rows, form) {
  const row = (key, cells) => h("tr", { key, role: "row" }, cells.map((cell, at) => {
    const [tag, role] = at === 0 ? ["th", "rowheader"] : ["td", "cell"];
    const content = cell ?? "-";
    return h(tag, { role, scope: at === 0 && "row", "data-head": form === "cards" && heads[at] },
      at === 0 ? content : h("div", {}, content));
  }));
  const made = h(
    "table", { role: "table", class: form },
    h("caption", {}, caption),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" },
      heads.map((head) => h("th", { role: "columnheader", scope: "col" }, head)))),
    h("tbody", { role: "rowgroup" }, rows.map(({ key, shows, cells }) =>
      shows ? kept("tr", key, shows, () => row(key, cells())) : row(key, cells))),
  );
  return form === "scroll" ? h("div", { class: "box", role: "region", "aria-label": caption, tabindex: 0 }, made) : made;
}

/** What stands where there is nothing: one sentence, and what makes something appear. */
export const empty = (sentence, command) => h("p", { class: "empty" }, `${sentence} Try `, h("code", {}, command));
