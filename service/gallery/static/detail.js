// One image, looked at closely: its pixels, its labels, its parameters, at each setting.

import { readNpy, readTar } from "./archives.js";
import { element, openDialog, readable, say } from "./dom.js";
import { OVERLAYS, paint } from "./labels.js";
import { titleOf } from "./controls.js";
import { ask, broken, imageQuery, ServiceError } from "./service.js";

const SCALES = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32];

export class Detail {
  /**
   * @param {{onindex, onscale, onclose, overlays, now}} listeners `onindex(index)`, `onscale(scale)`, `onclose()`;
   *   `overlays()` makes the boxes that choose overlays; `now()` is the state, which may be ahead of what is shown
   */
  constructor(listeners) {
    this._listeners = listeners;
    this._views = [];
    this._open = false;
  }

  /**
   * Show an image.
   * @param {{index: number, start: number, count: number, scale: number, seed: string, overlays: string[]}} what
   * @param {{name: string, side: object, labels: string[], sample: Sample|undefined}[]} sides where `sample` is
   *   what the page has already
   */
  show(what, sides) {
    if (!this._open) this._make();
    const before = this._what;
    this._what = what;
    this._title.textContent = `Image ${what.index} of seed ${what.seed}`;
    this._previous.disabled = what.index <= what.start;
    this._next.disabled = what.index >= what.start + what.count - 1;
    this._zoom.textContent = `${what.scale} ×`;
    this._smaller.disabled = what.scale === SCALES[0];
    this._larger.disabled = what.scale === SCALES.at(-1);
    if (this._views.length !== sides.length) {
      this._views.forEach((view) => view.stop());
      this._views = sides.map(() => new View());
      this._row.replaceChildren(...this._views.map((view) => view.element));
    }
    this._views.forEach((view, at) => view.show(what, sides[at]));
    if (before?.index !== what.index) say(`Image ${what.index}`);
  }

  /** Close it, if it is open. */
  hide() {
    if (this._open) this._dialog.close();
  }

  _make() {
    const button = (text, label, run) => element("button", { type: "button", "aria-label": label, onclick: run }, text);
    this._previous = button("‹", "Image before", () => this._step(-1));
    this._next = button("›", "Image after", () => this._step(1));
    this._smaller = button("−", "Smaller pixels", () => this._scale(-1));
    this._larger = button("+", "Larger pixels", () => this._scale(1));
    this._zoom = element("output", { "aria-label": "Zoom" });
    this._row = element("div", { class: "views" });
    const bar = element(
      "div", { class: "row bar" }, this._previous, this._next, this._smaller, this._zoom, this._larger,
      element("span", { class: "row" }, ...this._listeners.overlays()),
    );
    this._open = true;
    this._what = null;
    this._dialog = openDialog("", element("div", { class: "detail" }, bar, this._row), {
      wide: true,
      onclose: () => {
        this._open = false;
        this._views.forEach((view) => view.stop());
        this._views = [];
        this._listeners.onclose();
      },
    });
    this._title = this._dialog.querySelector("h2");
    this._dialog.addEventListener("keydown", (event) => this._press(event));
  }

  _press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "PageDown" || event.key === "n") this._step(1);
    else if (event.key === "PageUp" || event.key === "p") this._step(-1);
    else if (event.key === "+" || event.key === "=") this._scale(1);
    else if (event.key === "-") this._scale(-1);
    else return;
    event.preventDefault();
  }

  _step(by) {
    const { image, start, count } = this._listeners.now();
    if (image + by >= start && image + by < start + count) this._listeners.onindex(image + by);
  }

  _scale(by) {
    const { pixels } = this._listeners.now();
    const at = SCALES.findIndex((scale) => scale >= pixels);
    const scale = SCALES[Math.min(Math.max(at + by, 0), SCALES.length - 1)];
    if (scale !== pixels) this._listeners.onscale(scale);
  }
}

/** The image at one setting. */
class View {
  constructor() {
    this._controller = null;
    this._asked = "";
    this._sample = null;
    this._at = [0, 0];
    this._canvas = element("canvas", { width: 128, height: 128, tabIndex: 0, role: "img" });
    this._mark = element("div", { class: "pixel", hidden: true });
    const frame = element("div", { class: "frame", tabIndex: -1 }, element("div", { class: "sheet" }, this._canvas, this._mark));
    this._heading = element("h3");
    this._pixel = element("p", { class: "reading", role: "status" }, "Point at a pixel, or move over the image with the arrow keys.");
    this._problem = element("p", { class: "problem", role: "alert" });
    this._table = element("table");
    this.element = element("div", { class: "view" }, this._heading, frame, this._pixel, this._problem, this._table);
    this._canvas.addEventListener("pointermove", (event) => {
      const box = this._canvas.getBoundingClientRect();
      this._point((event.clientX - box.left) / this._scale, (event.clientY - box.top) / this._scale);
    });
    this._canvas.addEventListener("keydown", (event) => this._press(event));
  }

  show(what, { name, side, labels, sample }) {
    this._scale = what.scale;
    this._overlays = what.overlays;
    this._heading.textContent = name ? `Setting ${name}` : "";
    this._heading.hidden = !name;
    this._canvas.setAttribute("aria-label", `Image ${what.index}${name ? ` of setting ${name}` : ""}, ${what.scale} times as large`);
    const asked = `generate?${imageQuery(side, what.seed, what.index, 1, labels.length ? "tar" : "npy", labels)}`;
    if (asked !== this._asked) {
      this._asked = asked;
      this._sample = sample ?? null;
      this._problem.textContent = "";
      this._fetch(asked, what.index, labels);
    }
    this._draw();
  }

  stop() {
    this._controller?.abort();
  }

  async _fetch(asked, index, labels) {
    this._controller?.abort();
    this._controller = new AbortController();
    const complete = this._sample !== null && labels.every((label) => (label === "parameters" ? this._sample.record?.parameters : this._sample[label]) !== undefined);
    if (complete) return;
    try {
      const { body } = await ask("POST", asked, { signal: this._controller.signal });
      for await (const sample of labels.length ? readTar(body) : readNpy(body, index)) {
        if (asked === this._asked) this._sample = sample;
      }
      this._draw();
    } catch (error) {
      const told = broken(error);
      if (told.name === "AbortError") return;
      if (!(told instanceof ServiceError)) throw told;
      this._problem.textContent = told.words;
    }
  }

  _draw() {
    const { width, height } = this._sample ?? this._canvas;
    this._canvas.style.width = `${width * this._scale}px`;
    this._canvas.style.height = `${height * this._scale}px`;
    this._canvas.classList.toggle("waits", this._sample === null);
    this._mark.style.width = this._mark.style.height = `${this._scale}px`;
    this._place();
    if (this._sample === null) return;
    paint(this._canvas, this._sample, this._overlays);
    this._list(this._sample.record?.parameters);
  }

  _list(parameters) {
    this._table.hidden = !parameters;
    if (!parameters) return;
    const { asked, measured } = parameters;
    const names = [...new Set([...Object.keys(asked), ...Object.keys(measured)])];
    const cell = (value) => element("td", {}, value === undefined ? "" : readable(value));
    this._table.replaceChildren(
      element("tr", {}, element("td"), element("th", { scope: "col" }, "as drawn"), element("th", { scope: "col" }, "measured here")),
      ...names.map((name) => element("tr", {}, element("th", { scope: "row" }, titleOf(name)), cell(asked[name]), cell(measured[name]))),
    );
  }

  _press(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (!(event.key in moves)) return;
    const [x, y] = moves[event.key];
    this._point(this._at[0] + x, this._at[1] + y);
    this._mark.scrollIntoView({ block: "nearest", inline: "nearest" });
    event.preventDefault();
  }

  _point(x, y) {
    if (this._sample === null) return;
    const { width, height, image } = this._sample;
    this._at = [Math.min(Math.max(Math.floor(x), 0), width - 1), Math.min(Math.max(Math.floor(y), 0), height - 1)];
    const at = this._at[1] * width + this._at[0];
    const parts = [`x ${this._at[0]}, y ${this._at[1]}: grey ${image[at]}`];
    for (const { title, label } of Object.values(OVERLAYS)) {
      const values = this._sample[label];
      if (values === undefined) continue;
      if (label === "instances") parts.push(values[at] ? `cell ${values[at]}` : "no cell");
      else parts.push(`${title.toLowerCase()} ${values[at] ? "yes" : "no"}`);
    }
    this._pixel.textContent = parts.join("; ");
    this._place();
  }

  _place() {
    this._mark.hidden = this._sample === null || !this._pixel.textContent.startsWith("x ");
    this._mark.style.transform = `translate(${this._at[0] * this._scale}px, ${this._at[1] * this._scale}px)`;
  }
}
