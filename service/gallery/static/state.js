// What is shown, as the address says it: every state has an address, and Back leads to the one before.

export const MOST_SHOWN = 100_000; // rows beyond are higher than browsers can scroll
export const MAX_INDEX = 2 ** 53 - 1;
export const MOST_PIXELS = 32; // of the screen for one of an image
export const ZOOMS = [0.5, 1, 2, 4];
const MAX_SEED = 2n ** 64n - 1n;
const URL_PAUSE_MS = 200; // browsers refuse more than some changes a second
const CONDITION = /^[a-z_]{1,40}$/;
const VALUE = /^([0-9.:]{1,50}|true|false)$/;
const SIDES = ["", "b."];
export const SIDE_NAMES = ["A", "B"];

export const USUAL = {
  view: "images", seed: "", start: 0, count: 10_000, at: 0, zoom: 1, overlay: [], histograms: false,
  image: null, pixels: 4, theme: "", sides: [{ model: "", conditions: {} }],
};

const listeners = [];
let state = read(location.search, rollSeed());
let dragging = false;
let timer = 0;

/** Return the state; nobody changes it but `update`. */
export const current = () => state;

/** Call `listener(state, before)` after every change. */
export const listen = (listener) => listeners.push(listener);

/** Roll a seed that is easy to say. */
export function rollSeed() {
  return String(crypto.getRandomValues(new Uint32Array(1))[0]);
}

/** Return a seed as it is written, or null if it is none. */
export function parseSeed(text) {
  const digits = text.trim();
  return /^\d{1,20}$/.test(digits) && BigInt(digits) <= MAX_SEED ? String(BigInt(digits)) : null;
}

/** Return a whole number within limits, or null. */
export function parseWhole(text, least, most) {
  const digits = text.trim();
  return /^\d{1,16}$/.test(digits) && least <= Number(digits) && Number(digits) <= most ? Number(digits) : null;
}

/**
 * Change the state and its address.
 * @param {Object} changes some members of the state
 * @param {"push"|"drag"|"replace"} how a step that Back undoes; one of many that are undone together; or none
 */
export function update(changes, how = "push") {
  const before = state;
  state = { ...state, ...changes };
  const step = how === "push" && !dragging;
  if (how === "drag" && !dragging) history.pushState(null, "", write(state));
  if (how !== "replace") dragging = how === "drag";
  clearTimeout(timer);
  if (step) history.pushState(null, "", write(state));
  else timer = setTimeout(() => history.replaceState(null, "", write(state)), URL_PAUSE_MS);
  for (const listener of listeners) listener(state, before);
}

/** Change one of the settings that are side by side. */
export function updateSide(number, changes, how) {
  const sides = state.sides.map((side, at) => (at === number ? { ...side, ...changes } : side));
  update({ sides }, how);
}

/** Return the address of a state, relative to the page. */
export function write(wanted) {
  const query = new URLSearchParams();
  if (wanted.view !== USUAL.view) query.set("view", wanted.view);
  query.set("seed", wanted.seed);
  for (const name of ["start", "count", "at", "zoom"]) {
    if (wanted[name] !== USUAL[name]) query.set(name, wanted[name]);
  }
  wanted.sides.forEach((side, at) => {
    if (at > 0) query.set("compare", "1");
    if (side.model) query.set(`${SIDES[at]}model`, side.model);
    for (const [name, value] of Object.entries(side.conditions)) query.set(`${SIDES[at]}${name}`, value);
  });
  if (wanted.overlay.length) query.set("overlay", wanted.overlay.join(","));
  if (wanted.histograms) query.set("histograms", "1");
  if (wanted.image !== null) query.set("image", wanted.image);
  if (wanted.pixels !== USUAL.pixels) query.set("pixels", wanted.pixels);
  if (wanted.theme) query.set("theme", wanted.theme);
  return `?${query}`.replaceAll("%3A", ":").replaceAll("%2C", ",");
}

function read(search, usualSeed) {
  const query = new URLSearchParams(search);
  const take = (name, parse, usual) => {
    const text = query.get(name);
    query.delete(name);
    return (text === null ? null : parse(text)) ?? usual;
  };
  const one = (values) => (text) => (values.includes(text) ? text : null);
  const found = {
    view: take("view", one(["images", "jobs"]), USUAL.view),
    seed: take("seed", parseSeed, usualSeed),
    start: take("start", (text) => parseWhole(text, 0, MAX_INDEX), USUAL.start),
    count: take("count", (text) => parseWhole(text, 1, MOST_SHOWN), USUAL.count),
    at: take("at", (text) => parseWhole(text, 0, MAX_INDEX), null),
    zoom: take("zoom", (text) => (ZOOMS.includes(Number(text)) ? Number(text) : null), USUAL.zoom),
    overlay: take("overlay", (text) => text.split(",").filter((name) => CONDITION.test(name)), []),
    histograms: take("histograms", one(["1"]), "") === "1",
    image: take("image", (text) => parseWhole(text, 0, MAX_INDEX), null),
    pixels: take("pixels", (text) => parseWhole(text, 1, MOST_PIXELS), USUAL.pixels),
    theme: take("theme", one(["light", "dark"]), ""),
  };
  const sides = take("compare", one(["1"]), "") ? SIDES : SIDES.slice(0, 1);
  const models = sides.map((prefix) => take(`${prefix}model`, (text) => text.slice(0, 200), ""));
  const conditions = sides.map(() => ({}));
  for (const [name, value] of query) {
    const side = name.startsWith("b.") ? 1 : 0;
    const bare = name.replace(/^b\./, "");
    if (conditions[side] && CONDITION.test(bare) && VALUE.test(value)) conditions[side][bare] = value;
  }
  found.at ??= found.image ?? USUAL.at;
  return { ...found, sides: models.map((model, at) => ({ model, conditions: conditions[at] })) };
}

window.addEventListener("popstate", () => {
  const before = state;
  clearTimeout(timer);
  dragging = false;
  state = read(location.search, state.seed);
  for (const listener of listeners) listener(state, before);
});

history.replaceState(null, "", write(state));
