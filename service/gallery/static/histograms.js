// How the measured parameters of the images are distributed, one figure for each.

import { readTar } from "./archives.js";
import { titleOf } from "./controls.js";
import { drawing, element, later, readable } from "./dom.js";
import { ask, broken, imageQuery, ServiceError, withStream } from "./service.js";

const WIDTH = 200;
const HEIGHT = 90;
const BARS = 24;
const MORE = 500;
const PAUSE_MS = 250;
const PARAMETERS = ["density", "cv", "hexagonality", "guttae", "clarity", "cells"];

export class Histograms {
  /** @param {HTMLElement} place that they are shown in */
  constructor(place) {
    this._count = element("p", { class: "note", role: "status" });
    this._more = element("button", { type: "button", onclick: () => this._measure() }, `Measure the first ${MORE}`);
    this._stop = element("button", { type: "button", onclick: () => this._controller?.abort(), hidden: true }, "Stop");
    this._figures = element("div", { class: "figures" });
    place.append(element("h2", {}, "Measured parameters"), element("div", { class: "row" }, this._count, this._more, this._stop), this._figures);
    this._sides = [];
    this.redraw = later(PAUSE_MS, () => this._draw());
  }

  /**
   * Say what they show.
   * @param {{name: string, images: Images, side: object, labelled: boolean}[]} sides
   * @param {{seed: string, start: number, count: number, most: number}} range
   */
  show(sides, range) {
    const asked = JSON.stringify([sides.map((one) => one.side), range]);
    if (asked !== this._asked) this._controller?.abort();
    this._asked = asked;
    this._sides = sides;
    this._range = range;
    this._draw();
  }

  /** End what is measured beyond the images in view. */
  stop() {
    this._controller?.abort();
  }

  async _measure() {
    const controller = (this._controller = new AbortController());
    const { seed, start, count, most } = this._range;
    this._more.hidden = true;
    this._stop.hidden = false;
    try {
      for (const { images, side } of this._sides.filter((one) => one.labelled)) {
        const query = imageQuery(side, seed, start, Math.min(MORE, count, most), "tar", ["parameters"]);
        await withStream(controller.signal, async () => {
          const { body } = await ask("POST", `generate?${query}`, { signal: controller.signal });
          for await (const sample of readTar(body, false)) {
            images.note(sample);
            this.redraw();
          }
        });
      }
    } catch (error) {
      const told = broken(error);
      if (told instanceof ServiceError) this._problem = told.words;
      else if (told.name !== "AbortError") throw told;
    } finally {
      this._more.hidden = false;
      this._stop.hidden = true;
      this._draw();
    }
  }

  _draw() {
    const shown = this._sides.filter((one) => one.labelled);
    this._more.disabled = shown.length === 0;
    const counts = shown.map(({ name, images }) => `${name ? `${name}: ` : ""}${readable(images.measured.size)} images`);
    const none = "This model has no labels, so nothing is measured on its images.";
    this._count.textContent = this._problem ?? (shown.length ? `Of ${counts.join("; ")}, as measured on their mosaics: mean ± standard deviation.` : none);
    this._problem = undefined;
    this._figures.replaceChildren(...PARAMETERS.map((name) => this._figure(name, shown)).filter(Boolean));
  }

  _figure(name, sides) {
    const rows = sides.map(({ name: side, images }) => ({
      side, values: [...images.measured.values()].map((one) => one[name]).filter((value) => typeof value === "number"),
    }));
    const all = rows.flatMap(({ values }) => values);
    if (all.length === 0) return null;
    const [least, most] = all.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
    const said = rows.map(({ side, values }) => `${side ? `${side}: ` : ""}${summary(values)}`);
    const picture = drawing("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${titleOf(name)}, ${said.join("; ")}` });
    const bins = rows.map(({ values }) => share(values, least, most));
    const top = Math.max(...bins.flat());
    bins.forEach((heights, at) => picture.append(bars(heights, top, at)));
    const ends = element("div", { class: "ends" }, element("span", {}, readable(least)), element("span", {}, readable(most)));
    return element("figure", { "data-name": name }, element("figcaption", {}, titleOf(name), ...said.map((text) => element("small", {}, text))), picture, ends);
  }
}

/** Return the shares of values in equal bins. */
function share(values, least, most) {
  const counts = new Array(BARS).fill(0);
  for (const value of values) {
    counts[most > least ? Math.min(BARS - 1, Math.floor(((value - least) / (most - least)) * BARS)) : 0] += 1;
  }
  return counts.map((count) => count / (values.length || 1));
}

function bars(heights, top, at) {
  const wide = WIDTH / BARS;
  let path = `M0 ${HEIGHT}`;
  heights.forEach((height, bar) => {
    const y = HEIGHT - (height / top) * (HEIGHT - 2);
    path += `L${bar * wide} ${y}L${(bar + 1) * wide} ${y}`;
  });
  return drawing("path", { d: `${path}L${WIDTH} ${HEIGHT}Z`, class: `bars side-${at}` });
}

const short = (value) => value.toLocaleString("en", { maximumSignificantDigits: 3 });

/** Return mean and standard deviation in words. */
function summary(values) {
  if (values.length === 0) return "none";
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const spread = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  return `${short(mean)} ± ${short(spread)}`;
}
