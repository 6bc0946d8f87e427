// The card of a model: what it was trained on, under which terms, and its scores.

import { element, openDialog, readable } from "./dom.js";
import { askJson } from "./service.js";

/** Show the card of a model. */
export async function openCard(name) {
  const { card, generator_sha256: generator } = await askJson("GET", `models/${encodeURIComponent(name)}`);
  const content = element("div", { class: "card" });
  if (card.description) content.append(element("p", {}, card.description));
  const { description: _, name: __, architecture, data, training, fid, ...rest } = card;
  content.append(table({ fid: fid ?? "none recorded", ...rest, data, training, architecture, generator_sha256: generator }));
  return openDialog(`Card of ${name}`, content, { wide: true });
}

function table(values) {
  const list = element("dl");
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined || value === null || value === "") continue;
    list.append(element("dt", {}, name.replaceAll("_", " ")), element("dd", {}, show(value)));
  }
  return list;
}

function show(value) {
  if (Array.isArray(value)) {
    if (value.every((one) => typeof one !== "object")) return value.map(text).join(", ") || "none";
    return element("ul", {}, ...value.map((one) => element("li", {}, show(one))));
  }
  return typeof value === "object" && value !== null ? table(value) : text(value);
}

const text = (value) => (typeof value === "number" ? readable(value) : String(value));
