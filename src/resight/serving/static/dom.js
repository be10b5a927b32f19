// Elements made from data. Text goes in as text alone: nothing here reads markup.

const SVG = "http://www.w3.org/2000/svg";

export const at = id => document.getElementById(id);

/** An element: attributes, "on…" for listeners, "text" for its text, then its children. */
export function make(tag, given = {}, ...children) {
  return filled(document.createElement(tag), given, children);
}

/** The same for a part of a drawing. */
export function draw(tag, given = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), given, children);
}

/** One of the page's symbols. */
export function icon(name) {
  return draw("svg", { "aria-hidden": "true" }, draw("use", { href: `#i-${name}` }));
}

function filled(element, given, children) {
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter(child => child !== null && child !== undefined));
  return element;
}
