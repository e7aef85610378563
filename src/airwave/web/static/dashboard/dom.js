// Building elements. All that came over the wire goes through here as text: there is no innerHTML in these pages, and
// the policy `require-trusted-types-for 'script'` would refuse it.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element: `h("a.quiet", { href: "#/", onclick: f }, "text", child, [more])`.
 * @param {string} what tag and classes, "tag.class.class"
 * @param {object} [props] attributes; `on…` are listeners, `dataset` is data-*; false, null and undefined are left out
 * @param {...any} children nodes, texts, lists of them; null and false are left out
 * @returns {HTMLElement}
 */
export function h(what, props = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  return fill(document.createElement(tag || "div"), classes, props, children);
}

/** The same for SVG. */
export function s(what, props = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  return fill(document.createElementNS(SVG, tag), classes, props, children);
}

function fill(element, classes, props, children) {
  if (classes.length) element.setAttribute("class", classes.join(" "));
  for (const [name, value] of Object.entries(props || {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "value" || name === "checked" || name === "disabled" || name === "hidden") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(element, child);
    else element.append(child instanceof Node ? child : String(child));
  }
}

/** Replace all that is inside. */
export function put(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

/** Change a text only if it is another one, so that a selection stays. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const PATHS = {
  overview: "M3 12h4l3-8 4 16 3-8h4",
  channels: "M5 12a7 7 0 0 1 2-5M19 12a7 7 0 0 0-2-5M5 12a7 7 0 0 0 2 5M19 12a7 7 0 0 1-2 5M12 12h.01M9 12a3 3 0 0 1 6 0 3 3 0 0 1-6 0",
  streams: "M4 6h16M4 12h16M4 18h10",
  clients: "M4 5h16v11H4zM9 20h6M12 16v4",
  slowlog: "M12 7v5l3 2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
  settings: "M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2v2M12 20v2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M2 12h2M20 12h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5",
  auto: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18",
  keys: "M3 7h18v10H3zM7 11h.01M11 11h.01M15 11h.01M8 14h8",
  out: "M14 4h5v16h-5M10 8l-4 4 4 4M6 12h9",
  back: "M14 6l-6 6 6 6",
};

/** An icon; it says nothing to screen readers, so the text beside it must. */
export function icon(name) {
  return s("svg.icon", { viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" }, s("path", { d: PATHS[name] }));
}

let hints = 0;

/** A small question mark with an explanation, by mouse, touch and keyboard. */
export function hint(text, about) {
  const id = `hint-${++hints}`;
  const bubble = h("span.bubble", { id, role: "tooltip" }, text);
  const button = h("button.hint", { type: "button", "aria-label": `What is ${about}?`, "aria-describedby": id }, "?");
  const holder = h("span.hinted", {}, button, bubble);
  const show = () => {
    holder.classList.add("open");
    place(button, bubble);
  };
  const hide = () => holder.classList.remove("open");
  button.addEventListener("mouseenter", show);
  button.addEventListener("focus", show);
  button.addEventListener("click", show);
  button.addEventListener("blur", hide);
  holder.addEventListener("mouseleave", hide);
  button.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      hide();
      event.stopPropagation();
    }
  });
  return holder;
}

/** Keep a bubble inside the window. */
function place(button, bubble) {
  const at = button.getBoundingClientRect();
  const width = Math.min(280, window.innerWidth - 24);
  bubble.style.width = `${width}px`;
  bubble.style.left = `${Math.max(12, Math.min(at.left - 20, window.innerWidth - width - 12))}px`;
  const below = at.bottom + 6 + bubble.offsetHeight < window.innerHeight;
  bubble.style.top = below ? `${at.bottom + 6}px` : `${at.top - 6 - bubble.offsetHeight}px`;
}
