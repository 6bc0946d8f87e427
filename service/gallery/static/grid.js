// Thousands of images in one list, of which only those in view are elements.

import { element } from "./dom.js";
import { Images } from "./images.js";
import { paint } from "./labels.js";

const SIZE = 128;
const GAP = 2;
const ROWS_BESIDE = 1; // drawn above and below what is in view

export class Grid {
  /**
   * @param {string} name of its setting
   * @param {{onopen, onscroll, onproblem, onsample}} listeners `onopen(index)`, `onscroll(pixels)`,
   *   `onproblem(error)`, `onsample()`
   */
  constructor(name, listeners) {
    this._name = name;
    this._listeners = listeners;
    this._tiles = new Map();
    this._free = [];
    this._shown = null;
    this._current = null;
    this._frame = 0;
    this._columns = 1;
    this._pitch = 0; // from one row or column to the next, in pixels of the screen; 0 until it is laid out
    this.images = new Images((index, sample) => this._receive(index, sample), listeners.onproblem);
    this._space = element("div", { class: "space", role: "presentation" });
    this.list = element("div", { class: "grid", role: "listbox", tabIndex: 0 }, this._space);
    this.caption = element("p", { class: "caption" });
    this.element = element("section", { class: "panel", "data-name": name }, this.caption, this.list);
    this.list.addEventListener("scroll", () => {
      listeners.onscroll(this.list.scrollTop);
      this._later();
    }, { passive: true });
    this.list.addEventListener("keydown", (event) => this._press(event));
    this.list.addEventListener("focus", () => this.select(this._current ?? this.firstInView));
    this.list.addEventListener("click", (event) => this._open(event.target.closest("[role=option]")));
    this._watch = new ResizeObserver(() => this._measure());
    this._watch.observe(this.list);
  }

  /**
   * Show a setting: see `Images.use`; how large, with which overlays; and if `place` is not null, from which
   * image on.
   */
  show(setting, zoom, overlays, place) {
    const before = this._shown;
    const identity = this.images.identity;
    this._shown = { ...setting, zoom, overlays };
    this.images.use(setting);
    this.list.setAttribute("aria-label", `Images${this._name ? ` of setting ${this._name}` : ""}`);
    if (identity !== this.images.identity) this._outdate();
    if (before === null || before.zoom !== zoom || before.start !== setting.start || before.count !== setting.count) {
      if (before !== null && before.start !== setting.start) this._dropAll();
      this._measure(place);
    } else if (place !== null) this.scrollTo(place);
    for (const tile of this._tiles.values()) this._draw(tile);
    this._render();
  }

  /** Whether it was told what to show. */
  get isShown() {
    return this._shown !== null;
  }

  /** Index of the first image that is in view, whole or in part. */
  get firstInView() {
    return this._shown.start + Math.floor(this.list.scrollTop / this._pitch) * this._columns;
  }

  /** Index of the last image in view. */
  get lastInView() {
    const rows = Math.ceil((this.list.scrollTop + this.list.clientHeight) / this._pitch);
    return Math.min(this._shown.start + this._shown.count, this._shown.start + rows * this._columns) - 1;
  }

  /** Scroll so that an image is in the first row. */
  scrollTo(index) {
    const row = Math.floor((index - this._shown.start) / this._columns);
    this.list.scrollTop = Math.max(0, row) * this._pitch;
  }

  /** Mark an image as the one that keys move from, and bring it into view unless `follow` is false. */
  select(index, follow = true) {
    const { start, count } = this._shown;
    this._current = Math.min(Math.max(index, start), start + count - 1);
    if (follow) this._bringIntoView();
    this._render();
    for (const tile of this._tiles.values()) {
      tile.node.setAttribute("aria-selected", tile.index === this._current);
    }
    const node = this._tiles.get(this._current)?.node;
    if (node) this.list.setAttribute("aria-activedescendant", node.id);
  }

  remove() {
    this.images.stop();
    this._watch.disconnect();
    cancelAnimationFrame(this._frame);
    this.element.remove();
  }

  /** Fit columns to the width, and keep the first image in view, or bring the one of `place` there. */
  _measure(place = null) {
    if (this._shown === null || this.list.clientWidth === 0) return;
    const first = place ?? (this._pitch ? this.firstInView : null); // as it was laid out until now
    const pitch = SIZE * this._shown.zoom + GAP;
    const columns = Math.max(1, Math.floor((this.list.clientWidth + GAP) / pitch));
    const changed = columns !== this._columns || pitch !== this._pitch;
    Object.assign(this, { _columns: columns, _pitch: pitch });
    this._space.style.height = `${Math.ceil(this._shown.count / columns) * pitch - GAP}px`;
    if (changed) this._dropAll();
    if (first !== null && (changed || place !== null)) this.scrollTo(first);
    this._render();
  }

  _later() {
    if (this._frame === 0) {
      this._frame = requestAnimationFrame(() => {
        this._frame = 0;
        this._render();
      });
    }
  }

  _render() {
    if (!this._pitch) return;
    const { start, count } = this._shown;
    const beside = ROWS_BESIDE * this._columns;
    const first = Math.max(start, this.firstInView - beside);
    const last = Math.min(start + count - 1, this.lastInView + beside);
    for (const [index, tile] of this._tiles) {
      if (index < first || index > last) this._release(index, tile);
    }
    for (let index = first; index <= last; index += 1) {
      if (!this._tiles.has(index)) this._place(index);
    }
    this.images.want(this.firstInView, this.lastInView);
  }

  _place(index) {
    const tile = this._free.pop() ?? this._make();
    const at = index - this._shown.start;
    const [row, column] = [Math.floor(at / this._columns), at % this._columns];
    Object.assign(tile, { index, sample: null, drawn: "" });
    const { node } = tile;
    node.id = `image-${this._name || "A"}-${index}`;
    node.style.width = node.style.height = `${this._pitch - GAP}px`;
    node.style.transform = `translate(${column * this._pitch}px, ${row * this._pitch}px)`;
    node.setAttribute("aria-label", `Image ${index}`);
    node.setAttribute("aria-posinset", at + 1);
    node.setAttribute("aria-setsize", this._shown.count);
    node.setAttribute("aria-selected", index === this._current);
    node.classList.remove("there", "outdated");
    node.dataset.index = index;
    this._space.append(node);
    this._tiles.set(index, tile);
    this._draw(tile);
  }

  _make() {
    const canvas = element("canvas", { width: SIZE, height: SIZE });
    return { node: element("div", { class: "tile", role: "option" }, canvas), canvas };
  }

  _release(index, tile) {
    this._tiles.delete(index);
    tile.node.remove();
    tile.sample = null;
    this._free.push(tile);
  }

  _dropAll() {
    for (const [index, tile] of this._tiles) this._release(index, tile);
  }

  /** Mark all images in view as those of another setting, until theirs come. */
  _outdate() {
    for (const tile of this._tiles.values()) tile.node.classList.add("outdated");
  }

  _draw(tile, given) {
    const sample = given ?? this.images.get(tile.index);
    if (sample === undefined) return;
    const drawn = this._shown.overlays.join();
    if (tile.sample === sample && tile.drawn === drawn) return;
    paint(tile.canvas, sample, this._shown.overlays);
    Object.assign(tile, { sample, drawn });
    tile.node.classList.add("there");
    const own = given === undefined || this.images.get(tile.index) === given;
    tile.node.classList.toggle("outdated", !own);
  }

  _receive(index, sample) {
    const tile = this._tiles.get(index);
    if (tile !== undefined) this._draw(tile, sample);
    this._listeners.onsample();
  }

  _bringIntoView() {
    const top = Math.floor((this._current - this._shown.start) / this._columns) * this._pitch;
    if (top < this.list.scrollTop) this.list.scrollTop = top;
    const bottom = top + this._pitch - GAP - this.list.clientHeight;
    if (bottom > this.list.scrollTop) this.list.scrollTop = bottom;
  }

  _press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.list.clientHeight / this._pitch)) * this._columns;
    const steps = {
      ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this._columns, ArrowDown: this._columns,
      PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity,
    };
    const current = this._current ?? this.firstInView;
    if (event.key in steps) this.select(current + steps[event.key]);
    else if (event.key === "Enter" || event.key === " ") this._listeners.onopen(current);
    else return;
    event.preventDefault();
  }

  _open(node) {
    if (node === null) return;
    const index = Number(node.dataset.index);
    this.select(index);
    this._listeners.onopen(index);
  }
}
