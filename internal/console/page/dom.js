// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Elements are made by calls, never of strings: names that others have chosen stay text.

/**
 * el makes an element. Properties are attributes, but for class, text, handlers (onclick
 * and so on) and style, an object of CSS properties; null and false leave one out.
 */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  set(node, properties);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** set gives an element properties, as el has them. */
export function set(node, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) node.removeAttribute(name);
    else if (name === "class") node.className = value;
    else if (name === "text") write(node, value);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") Object.entries(value).forEach(([k, v]) => node.style.setProperty(k, v));
    else node.setAttribute(name, value === true ? "" : value);
  }
}

/** write sets the text of an element if it is another one: what stays is not laid out again. */
export function write(node, text) {
  if (node.firstChild?.nodeType === Node.TEXT_NODE && node.childNodes.length === 1) {
    if (node.firstChild.data !== text) node.firstChild.data = text;
  } else if (node.textContent !== text || node.childNodes.length > 1) {
    node.textContent = text;
  }
}

/** fill replaces what is in an element. */
export function fill(node, ...children) {
  node.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
}

/** hide shows an element or not. */
export function hide(node, hidden) {
  if (node.hidden !== hidden) node.hidden = hidden;
}
