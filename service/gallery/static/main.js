// The page: what the state says goes to the parts, and what people do with the parts goes to the state.

import { SideControls, takes } from "./controls.js";
import { byId, element, later, openDialog, say } from "./dom.js";
import { Grid } from "./grid.js";
import { labelsFor, OVERLAYS } from "./labels.js";
import { askJson, keepKey, readKey, ServiceError } from "./service.js";
import * as state from "./state.js";

const NARROW = "(max-width: 800px)";
const SCROLL_SETTLED_MS = 300;

let models = null; // of the service; null until they are known
let mostImages = Infinity; // of one request
let keyDialog = null;
let painted = false;
const grids = [];
const controls = [];
const problems = new Map();
let [histograms, jobs, detail] = [null, null, null]; // fetched when they are first needed: images come sooner

/** Return the model that a side gets: the one it names, else the choice of the service. */
function modelOf(side) {
  if (models === null) return null;
  if (side.model) return models.find(({ name }) => name === side.model) ?? null;
  const usual = models.find((model) => model.default);
  if (Object.keys(side.conditions).length === 0 || usual.labels) return usual;
  const able = models.filter((model) => model.labels && Object.keys(side.conditions).every((name) => takes(model, name)));
  return able.sort((one, other) => one.labelled_place - other.labelled_place)[0] ?? usual;
}

/** Return a side with its name, its model and the labels that its overlays take. */
function sideOf(at) {
  const { sides, overlay } = state.current();
  const model = modelOf(sides[at]);
  return {
    name: sides.length > 1 ? state.SIDE_NAMES[at] : "", side: sides[at], model,
    labels: labelsFor(overlay, model?.label_names ?? []),
  };
}

const allSides = () => state.current().sides.map((_, at) => sideOf(at));

// Problems

/** Show a problem of one part of the page, or that it has none. */
function tell(part, error) {
  if (error === null) problems.delete(part);
  else problems.set(part, error);
  if (error?.code === "unauthorized") askForKey(error);
  controls.forEach((control, at) => control.showProblem(problems.get(`side ${at}`) ?? null));
  const shown = [...problems].map(([name, problem]) => {
    const where = state.current().sides.length > 1 && name.startsWith("side") ? `Setting ${state.SIDE_NAMES[name.slice(5)]}: ` : "";
    const again = problem.code === "field" ? null : element("button", { type: "button", onclick: () => retry() }, "Try again");
    const key = ["missing_scope", "unauthorized", "quota_exhausted", "over_limit"].includes(problem.code)
      ? element("button", { type: "button", onclick: () => askForKey(null) }, "Use another key…") : null;
    return element("p", { class: "notice", "data-code": problem.code }, element("span", { class: "grow" }, where + problem.words), again, key);
  });
  const texts = shown.map((one) => one.textContent);
  if (byId("notices").dataset.texts !== JSON.stringify(texts)) byId("notices").replaceChildren(...shown);
  byId("notices").dataset.texts = JSON.stringify(texts);
}

function retry() {
  if (models === null) loadModels();
  for (const grid of grids) grid.images.retry();
  if (state.current().view === "jobs") showJobs();
}

/** Ask for the access key; what the service said of the last one is shown. */
function askForKey(error) {
  byId("key").hidden = false;
  if (keyDialog !== null) return;
  const box = element("input", { type: "password", autocomplete: "off", size: 44, spellcheck: false });
  const form = element(
    "form", { class: "column" },
    element("p", {}, error === null ? "The key is kept until you close this tab, and sent to this service only." : error.words),
    element("label", {}, "Access key ", box),
    element("p", { class: "note" }, "An operator makes one with: endotwin key create NAME --scope generate,jobs"),
    element("div", { class: "row" }, element("button", { class: "main" }, "Use it"),
      element("button", { type: "button", hidden: !readKey(), onclick: () => use("") }, "Forget the key")),
  );
  const use = (key) => {
    keepKey(key);
    keyDialog.close();
    problems.clear();
    tell("key", null);
    retry();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (box.value.trim()) use(box.value.trim());
  });
  keyDialog = openDialog("Access key", form, { onclose: () => (keyDialog = null) });
  box.focus();
}

// Parts that are fetched when they are first needed

/** Run what needs such a part; what goes wrong is shown. */
async function withPart(run) {
  try {
    await run();
    tell("part", null);
  } catch (error) {
    if (error instanceof TypeError && /module/.test(error.message)) tell("part", new ServiceError("no_answer", ""));
    else if (error instanceof ServiceError) tell("part", error);
    else throw error;
  }
}

const showCard = (model) => withPart(async () => (await import("./card.js")).openCard(model));

const showTaking = () => withPart(async () => {
  const { openTaking } = await import("./taking.js");
  openTaking(allSides(), { ...state.current(), first: grids[0].firstInView, last: grids[0].lastInView });
});

const showJobs = () => withPart(async () => {
  const { Jobs } = await import("./jobs.js");
  jobs ??= new Jobs(byId("jobs-page"), () => ({ ...state.current(), ...sideOf(0) }), (error) => tell("jobs", error));
  if (state.current().view === "jobs") jobs.open();
});

const showHistograms = () => withPart(async () => {
  const { Histograms } = await import("./histograms.js");
  histograms ??= new Histograms(byId("histogram-panel"));
  const { seed, start, count, view, histograms: wanted } = state.current();
  if (!wanted || view !== "images") return;
  const sides = allSides().map(({ model, ...one }, at) => ({ ...one, images: grids[at].images, labelled: model?.labels ?? false }));
  histograms.show(sides, { seed, start, count, most: mostImages });
});

const showDetail = () => withPart(async () => {
  const { Detail } = await import("./detail.js");
  detail ??= new Detail({
    onindex: (image) => state.update({ image }),
    onscale: (pixels) => state.update({ pixels }),
    onclose: () => state.current().image !== null && state.update({ image: null }),
    overlays: makeOverlayBoxes,
    now: state.current,
  });
  const { image, start, count, seed, pixels, overlay, view } = state.current();
  if (image === null || view !== "images") return;
  const sides = allSides().map(({ model, labels, ...one }, at) => ({
    ...one, labels: model?.labels ? [...labels, "parameters"] : [], sample: grids[at].images.get(image),
  }));
  detail.show({ index: image, start, count, seed, scale: pixels, overlays: overlay }, sides);
});

// Models

async function loadModels() {
  try {
    const answer = await askJson("GET", "models");
    models = answer.models;
    mostImages = answer.max_images;
    tell("models", null);
    show(state.current(), state.current());
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    tell("models", error);
    if (error.passing) setTimeout(loadModels, error.pause);
  }
}

// Images

function makeGrid(at) {
  const grid = new Grid(state.current().sides.length > 1 || at > 0 ? state.SIDE_NAMES[at] : "", {
    onopen: (image) => state.update({ image }),
    onscroll: (pixels) => {
      for (const other of grids) if (other !== grid && other.list.scrollTop !== pixels) other.list.scrollTop = pixels;
      settled();
    },
    onproblem: (error) => tell(`side ${at}`, error),
    onsample: () => {
      if (!painted) performance.mark("first-image");
      painted = true;
      if (state.current().histograms) histograms?.redraw();
    },
  });
  byId("panels").append(grid.element);
  return grid;
}

/** Keep in the address where somebody has scrolled to. */
const settled = later(SCROLL_SETTLED_MS, () => {
  if (!grids[0]?.isShown || state.current().view !== "images") return;
  const at = grids[0].firstInView;
  if (at !== placeOf(state.current())) state.update({ at }, "replace");
});

const placeOf = ({ at, start, count }) => Math.min(Math.max(at, start), start + count - 1);

function showGrids(wanted, moved) {
  const sides = allSides();
  if (grids.length !== sides.length) {
    grids.splice(0).forEach((grid) => grid.remove());
    problems.clear();
    grids.push(...sides.map((_, at) => makeGrid(at)));
  }
  sides.forEach(({ name, side, model, labels }, at) => {
    if (wanted.overlay.length && models === null) return; // which labels to ask for is not known yet
    const all = wanted.histograms && model?.labels ? [...labels, "parameters"] : labels;
    const isNew = !grids[at].isShown;
    grids[at].images.most = mostImages;
    grids[at].caption.textContent = name ? `${name}: ${describe(side, model)}` : "";
    grids[at].show({ side, seed: wanted.seed, start: wanted.start, count: wanted.count, labels: all }, wanted.zoom, wanted.overlay, isNew || moved ? placeOf(wanted) : null);
  });
}

function describe(side, model) {
  const conditions = Object.entries(side.conditions).map(([name, value]) => `${name} ${value}`);
  return [model?.name ?? side.model, ...conditions].filter(Boolean).join(", ");
}

// Settings

function makeControls(name, at) {
  return new SideControls(name, {
    onmodel: (model) => {
      const chosen = models.find(({ name: one }) => one === model);
      const kept = Object.entries(state.current().sides[at].conditions).filter(([one]) => takes(chosen, one));
      state.updateSide(at, { model, conditions: Object.fromEntries(kept) });
    },
    onconditions: (conditions, how) => state.updateSide(at, { conditions, model: modelOf(state.current().sides[at]).name }, how),
    oncard: showCard,
  });
}

function showControls() {
  const sides = allSides();
  if (controls.length !== sides.length) {
    controls.splice(0);
    controls.push(...sides.map(({ name }, at) => makeControls(name, at)));
    byId("sides").replaceChildren(...controls.map((control) => control.element));
  }
  if (models === null) return;
  sides.forEach(({ side, model }, at) => {
    controls[at].show(models, model ?? { name: side.model, conditions: {}, switches: [] }, side.conditions);
  });
}

function makeOverlayBoxes() {
  const offered = new Set(allSides().flatMap(({ model }) => model?.label_names ?? []));
  const { overlay } = state.current();
  return Object.entries(OVERLAYS).filter(([, { label }]) => offered.has(label)).map(([name, { title }]) => {
    const change = ({ target }) => {
      const others = state.current().overlay.filter((one) => one !== name);
      state.update({ overlay: target.checked ? [...others, name] : others });
    };
    return element("label", { class: "check" }, element("input", { type: "checkbox", value: name, checked: overlay.includes(name), onchange: change }), ` ${title}`);
  });
}

function showOverlays(wanted) {
  const place = byId("overlays");
  const boxes = makeOverlayBoxes();
  const offered = boxes.map((box) => box.textContent).join();
  if (place.dataset.offered !== offered) {
    place.dataset.offered = offered;
    place.replaceChildren(...(boxes.length ? boxes : [element("p", { class: "note" }, models === null ? "" : "This model has no labels.")]));
  }
  for (const box of document.querySelectorAll("#overlays input, .detail .bar input")) box.checked = wanted.overlay.includes(box.value);
}

function showFields(wanted) {
  const values = { seed: wanted.seed, start: wanted.start, count: wanted.count, zoom: wanted.zoom, theme: wanted.theme };
  for (const [id, value] of Object.entries(values)) byId(id).value = String(value);
  byId("compare").checked = wanted.sides.length > 1;
  byId("histograms").checked = wanted.histograms;
}

/** Take a text of a field into the state, or say what is allowed. */
function field(id, parse, allowed, changes) {
  const box = byId(id);
  box.addEventListener("change", () => {
    const value = parse(box.value);
    box.setAttribute("aria-invalid", value === null);
    tell("fields", value === null ? new ServiceError("field", `${allowed}; this is ${box.value.slice(0, 40) || "nothing"}`) : null);
    if (value !== null) state.update(changes(value));
  });
}

// The whole

function show(wanted, before) {
  if (wanted.theme) document.documentElement.dataset.theme = wanted.theme;
  else delete document.documentElement.dataset.theme;
  const isJobs = wanted.view === "jobs";
  byId("images-page").hidden = isJobs;
  byId("jobs-page").hidden = !isJobs;
  byId("show-images").setAttribute("aria-pressed", !isJobs);
  byId("show-jobs").setAttribute("aria-pressed", isJobs);
  byId("histogram-panel").hidden = !wanted.histograms;
  if (isJobs && before?.view !== "jobs") showJobs();
  if (!isJobs && before?.view === "jobs") {
    jobs?.close();
    tell("jobs", null);
  }
  if (isJobs) {
    grids.splice(0).forEach((grid) => grid.remove());
    histograms?.stop();
    detail?.hide();
    return;
  }
  showFields(wanted);
  showGrids(wanted, before !== null && before.at !== wanted.at);
  showControls();
  showOverlays(wanted);
  if (wanted.histograms) showHistograms();
  else histograms?.stop();
  if (wanted.image === null) detail?.hide();
  else if (models !== null) {
    // Who steps from image to image takes the list along; an address says itself where the list is.
    const stepped = before !== null && before.image !== wanted.image;
    for (const grid of grids) grid.select(wanted.image, stepped);
    showDetail();
  }
}

function roll() {
  state.update({ seed: state.rollSeed() });
  say(`Seed ${state.current().seed}`);
}

function listenToPage() {
  byId("show-images").addEventListener("click", () => state.update({ view: "images" }));
  byId("show-jobs").addEventListener("click", () => state.update({ view: "jobs", image: null }));
  byId("key").addEventListener("click", () => askForKey(null));
  byId("theme").addEventListener("change", ({ target }) => state.update({ theme: target.value }));
  byId("roll").addEventListener("click", roll);
  byId("zoom").addEventListener("change", ({ target }) => state.update({ zoom: Number(target.value) }));
  byId("histograms").addEventListener("change", ({ target }) => state.update({ histograms: target.checked }));
  byId("compare").addEventListener("change", ({ target }) => {
    const [first] = state.current().sides;
    state.update({ sides: target.checked ? [first, { ...first }] : [first] });
  });
  field("seed", state.parseSeed, "A seed is a whole number from 0 to 18446744073709551615", (seed) => ({ seed }));
  field("start", (text) => state.parseWhole(text, 0, state.MAX_INDEX), "An index is a whole number from 0 on", (start) => ({ start, at: start }));
  field("count", (text) => state.parseWhole(text, 1, state.MOST_SHOWN), `The gallery shows 1 to ${state.MOST_SHOWN} images`, (count) => ({ count }));
  byId("take-along").addEventListener("click", showTaking);
  document.addEventListener("keydown", (event) => {
    const writes = event.target.closest("input:not([type=range], [type=checkbox]), select, textarea, dialog");
    if (event.key === "r" && !writes && !event.ctrlKey && !event.metaKey && !event.altKey) roll();
  });
}

byId("settings").open = !matchMedia(NARROW).matches;
listenToPage();
if (readKey()) byId("key").hidden = false;
state.listen(show);
show(state.current(), null);
loadModels();
