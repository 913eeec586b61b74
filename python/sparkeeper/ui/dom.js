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

/** Makes `old` like `made` and keeps what stays: elements, focus, selections, and which details are open. */
export function morph(old, made) {
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
  const known = new Map([...old.childNodes].map((child) => [key(child), child]));
  let at = old.firstChild;
  for (const child of [...made.childNodes]) {
    const same = at !== null && alike(at, child) ? at : known.get(key(child));
    if (same === at && at !== null) {
      at = at.nextSibling;
      morph(same, child);
    } else if (key(child) !== null && same && alike(same, child)) {
      old.insertBefore(same, at);
      morph(same, child);
    } else {
      old.insertBefore(child, at);
    }
  }
  while (at !== null) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

const key = (node) => node.dataset?.key ?? null;
const alike = (one, other) => one.nodeName === other.nodeName && key(one) === key(other);
