// Elements made of text and attributes only: what others called their locks is never markup.

const SVG = "http://www.w3.org/2000/svg";

/** Makes an HTML element; attributes that are null or false are left out, `key` tells siblings apart. */
export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

/** Makes an SVG element. */
export const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name === "key" ? "data-key" : name, value === true ? "" : value);
    }
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const later = new WeakMap();
const shown = new WeakMap();

/** An element that is made where it goes into the page, and again only when what it `shows` has changed. */
export function kept(tag, key, shows, make) {
  const place = h(tag, { key });
  later.set(place, { text: JSON.stringify(shows), make });
  return place;
}

function whole(node) {
  const { text, make } = later.get(node) ?? {};
  const made = make ? make() : node;
  if (make) shown.set(made, text);
  for (const child of [...made.childNodes]) {
    const better = whole(child);
    if (better !== child) child.replaceWith(better);
  }
  return made;
}

/** Makes `old` like `made` and keeps what stays: elements, focus, selections, and which details are open. */
export function morph(old, made) {
  const { text, make } = later.get(made) ?? {};
  if (make && shown.get(old) === text) return;
  if (make) {
    shown.set(old, text);
    made = make();
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== made.data) old.data = made.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (name !== "open" && !made.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of made.attributes) {
    if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  children(old, made);
}

/** The same for the children alone. */
export function children(old, made) {
  const wanted = new Set([...made.childNodes].map(key));
  // First of all, so that those who stay need not move: who moves loses the focus.
  for (const child of [...old.childNodes]) {
    if (key(child) !== null && !wanted.has(key(child))) child.remove();
  }
  const known = new Map([...old.children].filter((child) => key(child) !== null).map((child) => [key(child), child]));
  let at = old.firstChild;
  for (const child of [...made.childNodes]) {
    const same = [at, known.get(key(child))].find((one) => one && alike(one, child));
    if (same === undefined) {
      old.insertBefore(whole(child), at);
      continue;
    }
    if (same === at) at = at.nextSibling;
    else old.insertBefore(same, at);
    morph(same, child);
  }
  while (at !== null) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

const key = (node) => node.dataset?.key ?? null;
const alike = (one, other) => one.nodeName === other.nodeName && key(one) === key(other);
