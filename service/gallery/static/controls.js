// The settings of one side: its model, and a slider for every condition that the model takes.

import { element, readable } from "./dom.js";

const KNOWN = {
  density: ["Density", "cells per mm²", 10],
  cv: ["CV", "of cell areas", 0.01],
  hexagonality: ["Hexagonality", "share of cells", 0.01],
  guttae: ["Guttae", "share of image", 0.01],
  age: ["Age", "years", 1],
  clarity: ["Clarity", "grey levels", 0.5],
  pixel_size: ["Pixel size", "micrometres", 0.05],
  appearance: ["Appearance", "another look of the same cells", 1, 1],
};
const SWITCHES = { expert_hand: "Labels as an expert's hand draws them" };
const PLAIN = new Set(["pixel_size", "appearance"]); // a number, never a range
const STEPS = 100;

/** Return the name of a condition or a measured parameter, as people say it. */
export const titleOf = (name) => KNOWN[name]?.[0] ?? (name.charAt(0).toUpperCase() + name.slice(1)).replaceAll("_", " ");

/** Whether a model takes a condition. */
export const takes = (model, name) => name in model.conditions || model.switches.includes(name);

export class SideControls {
  /**
   * @param {string} name of the side; "" where there is one
   * @param {{onmodel, onconditions, oncard}} listeners `onmodel(name)`, `onconditions(conditions, how)` with how
   *   as in `state.update`, `oncard(name)`
   */
  constructor(name, listeners) {
    this._listeners = listeners;
    this._sliders = [];
    this._switches = [];
    this._conditions = {};
    this._offered = "";
    const heading = name ? `Setting ${name}` : "Model and cells";
    const id = `model-${name || "A"}`;
    this._select = element("select", { id, onchange: () => listeners.onmodel(this._select.value) });
    this._card = element("button", { type: "button", onclick: () => listeners.oncard(this._model) }, "Card…");
    this._note = element("p", { class: "note" });
    this._list = element("div", { class: "conditions" });
    this._reset = element("button", { type: "button", onclick: () => listeners.onconditions({}, "push") }, "All as the model has them");
    this.element = element(
      "section", { class: "side", "data-name": name || "A", "aria-label": heading },
      element("h2", {}, heading),
      element("div", { class: "row" }, element("label", { for: id }, "Model "), this._select, this._card),
      this._note, this._list, this._reset,
    );
  }

  /**
   * Show a side.
   * @param {Model[]} models of the service
   * @param {Model} model the one that the side gets
   * @param {Object<string, string>} conditions as in a query
   */
  show(models, model, conditions) {
    this._model = model.name;
    this._conditions = conditions;
    const names = models.map((one) => one.name);
    if ([...this._select.options].map((option) => option.value).join() !== names.join()) {
      this._select.replaceChildren(...models.map((one) => element("option", { value: one.name }, describe(one))));
    }
    this._select.value = model.name;
    const offered = Object.keys(model.conditions);
    if (this._offered !== JSON.stringify(model.conditions)) {
      this._offered = JSON.stringify(model.conditions);
      this._sliders = offered.map((name) => new Condition(name, model.conditions[name], (value, how) => this._set(name, value, how)));
      this._switches = model.switches.map((name) => new Switch(name, (value) => this._set(name, value, "push")));
      this._list.replaceChildren(...[...this._sliders, ...this._switches].map((one) => one.element));
    }
    for (const one of [...this._sliders, ...this._switches]) one.show(conditions[one.name]);
    this._reset.hidden = offered.length === 0;
    this._reset.disabled = Object.keys(conditions).length === 0;
    this._describe(models, offered);
  }

  /** Show what is wrong at the condition that it is about; null: nothing. */
  showProblem(error) {
    for (const slider of this._sliders) slider.showProblem(error?.field === slider.name ? error.words : "");
  }

  _set(name, value, how) {
    const conditions = { ...this._conditions };
    if (value === null) delete conditions[name];
    else conditions[name] = value;
    this._listeners.onconditions(conditions, how);
  }

  _describe(models, offered) {
    this._note.replaceChildren();
    if (offered.length || !models.some(({ name }) => name === this._model)) return;
    const able = models.find((one) => Object.keys(one.conditions).length > 0);
    this._note.append(`${this._model} draws cells as its training images have them; there is nothing to set. `);
    if (able) {
      const change = element("button", { type: "button", onclick: () => this._listeners.onmodel(able.name) }, `Use ${able.name}`);
      this._note.append("A model with labels has sliders and overlays: ", change);
    }
  }
}

function describe(model) {
  const fid = model.fid === null ? "no FID" : `FID ${model.fid.toFixed(1)}`;
  return `${model.name} (${fid}${model.labels ? ", with labels" : ""})`;
}

/** A condition that is true or false. */
class Switch {
  constructor(name, onset) {
    this.name = name;
    this._box = element("input", { type: "checkbox", onchange: () => onset(this._box.checked ? "true" : null) });
    this.element = element("label", { class: "switch", "data-name": name }, this._box, SWITCHES[name] ?? titleOf(name));
  }

  show(value) {
    this._box.checked = value === "true";
  }
}

/** One condition: the model's own distribution, a value, or a range. */
class Condition {
  constructor(name, limits, onset) {
    this.name = name;
    this._limits = limits;
    this._onset = onset;
    const [title, unit, step, first] = KNOWN[name] ?? [titleOf(name), "", (limits.most - limits.least) / STEPS];
    this._step = step;
    this._first = first ?? (limits.least + limits.most) / 2; // of the values, where none was set before
    this._mode = element(
      "select", { "aria-label": `${title}: how it is set`, onchange: () => this._change() },
      element("option", { value: "" }, PLAIN.has(name) ? "as usual" : "the model's own"),
      element("option", { value: "value" }, "a value"),
      PLAIN.has(name) ? null : element("option", { value: "range" }, "a range"),
    );
    this._low = this._end(title, "");
    this._high = this._end(title, "to");
    this._problem = element("p", { class: "problem", role: "status" });
    this.element = element(
      "div", { class: "condition", "data-name": name },
      element("div", { class: "row" }, element("span", { class: "grow" }, title, " ", element("small", {}, unit)), this._mode),
      this._low.row, this._high.row, this._problem,
    );
  }

  /** Show a value such as `2000` or `1500:2500`; undefined: the model's own. */
  show(text) {
    const ends = text === undefined ? [] : text.split(":").map(Number);
    this._mode.value = ["", "value", "range"][ends.length] ?? "";
    this._fill(this._low, ends[0] ?? this._first, ends.length > 0);
    this._fill(this._high, ends[1] ?? ends[0] ?? this._first, ends.length > 1);
    this._low.label.textContent = ends.length > 1 ? "from" : "";
    this._high.row.hidden = ends.length < 2;
    this.element.classList.toggle("unset", ends.length === 0);
  }

  showProblem(words) {
    if (this._problem.textContent !== words) this._problem.textContent = words;
    for (const end of [this._low, this._high]) end.slider.setAttribute("aria-invalid", words !== "");
  }

  _end(title, which) {
    const { least, most } = this._limits;
    const about = `${title}${which ? ` ${which}` : ""}`;
    const slider = element("input", {
      type: "range", min: least, max: most, step: this._step, "aria-label": about,
      oninput: () => this._drag(end, Number(slider.value), "drag"),
      onchange: () => this._drag(end, Number(slider.value), "push"),
    });
    const box = element("input", {
      class: "number", inputMode: "decimal", autocomplete: "off", "aria-label": `${about}, ${readable(least)} to ${readable(most)}`,
      onchange: () => this._type(end, box.value),
    });
    const label = element("span", { class: "end-label", "aria-hidden": "true" }, which);
    const end = { slider, box, label, row: element("div", { class: "row" }, label, slider, box) };
    return end;
  }

  _fill(end, value, set) {
    if (Number(end.slider.value) !== value) end.slider.value = value;
    const text = set ? this._write(value) : "";
    if (document.activeElement !== end.box || end.box.value === "") end.box.value = text;
    end.slider.setAttribute("aria-valuetext", set ? text : "not set: as the model has it");
  }

  _change() {
    const values = [this._low, this._high].map((end) => Number(end.slider.value));
    if (this._mode.value === "") return this._onset(null, "push");
    if (this._mode.value === "value") return this._onset(this._write(values[0]), "push");
    const [least, most] = [this._limits.least, this._limits.most];
    const wide = (most - least) / 10;
    const low = Math.max(least, values[0] - wide);
    return this._onset(this._range(low, Math.min(most, values[0] + wide)), "push");
  }

  _drag(end, value, how) {
    if (this._mode.value !== "range") return this._onset(this._write(value), how);
    const [low, high] = [Number(this._low.slider.value), Number(this._high.slider.value)];
    return this._onset(end === this._low ? this._range(value, Math.max(value, high)) : this._range(Math.min(low, value), value), how);
  }

  _type(end, text) {
    const value = Number(text.replace(",", "."));
    if (text.trim() === "") this._onset(null, "push");
    else if (Number.isFinite(value)) this._drag(end, value, "push");
    else end.box.value = this._write(Number(end.slider.value));
  }

  _range(low, high) {
    return `${this._write(low)}:${this._write(high)}`;
  }

  _write(value) {
    return String(Number(value.toFixed(4)));
  }
}
