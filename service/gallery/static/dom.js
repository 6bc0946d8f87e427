// Elements, made without HTML text: what the service says is always shown as text.

/**
 * Make an element.
 * @param {string} tag name of the element
 * @param {Object} properties `class`, `on…` functions, `aria-…`, `data-…`; the rest are properties
 * @param {...(Node|string|null)} children null is left out
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else if (/^(aria-|data-|role$|for$)/.test(name)) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** Make an element of SVG. */
export function drawing(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export const byId = (id) => document.getElementById(id);

/** Write a number as people read it: four digits, thousands apart. */
export function readable(value) {
  if (value === null || value === undefined) return "none";
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return Number(value.toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 });
}

/** Tell those who listen to the page rather than see it. */
export function say(text) {
  byId("status").textContent = text;
}

/** Return a function that runs another one once, `ms` after the last call. */
export function later(ms, run) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(run, ms, ...values);
  };
}

/** Make a dialog that closes by a button, by Escape and by a click beside it, and is gone then. */
export function openDialog(title, content, { onclose, wide } = {}) {
  const close = element("button", { type: "button", class: "close", "aria-label": "Close" }, "×");
  const id = `dialog-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  const heading = element("h2", { id }, title);
  const dialog = element("dialog", { "aria-labelledby": id, class: wide ? "wide" : "" });
  dialog.append(element("div", { class: "dialog-head" }, heading, close), content);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    onclose?.();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
