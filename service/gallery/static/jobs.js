// The page of jobs: large sets that the service writes to storage. Start them, watch them, cancel them.

import { element, readable, say } from "./dom.js";
import { askJson, ServiceError } from "./service.js";

const PAUSE_MS = 2000;
const IDLE_PAUSE_MS = 15_000;
const MOVING = new Set(["queued", "running", "cancelling"]);
const ACTIONS = {
  queued: ["cancel"], running: ["cancel"], failed: ["resume", "cancel", "abandon"],
  cancel_failed: ["cancel", "abandon"], cancelling: [], complete: [], cancelled: [], abandoned: [],
};
const TITLES = { cancel: "Cancel", resume: "Resume", abandon: "Abandon" };
const STATES = { cancel_failed: "cancel failed" };

export class Jobs {
  /**
   * @param {HTMLElement} place
   * @param {() => {seed: string, start: number, side: object, model: Model, labels: string[]}} shown in the gallery
   * @param {(error: ServiceError|null) => void} onproblem
   */
  constructor(place, shown, onproblem) {
    this._shown = shown;
    this._onproblem = onproblem;
    this._timer = 0;
    this._pages = 1;
    this._note = element("p", { class: "note" });
    this._form = element("form", { onsubmit: (event) => this._submit(event) });
    this._problem = element("p", { class: "problem", role: "alert" });
    this._list = element("ul", { class: "jobs", "aria-label": "Jobs, the newest first" });
    this._older = element("button", { type: "button", hidden: true, onclick: () => this._more() }, "Older jobs");
    this._rows = new Map();
    place.append(element("h2", {}, "Start a job"), this._note, this._form, element("h2", {}, "Jobs"), this._list, this._older);
  }

  /** Show the page and watch the jobs. */
  open() {
    this._fill();
    this._watch();
  }

  /** Stop watching. */
  close() {
    clearTimeout(this._timer);
    this._timer = 0;
    this._controller?.abort();
  }

  _fill() {
    const { seed, side, model, labels } = this._shown();
    const field = (title, name, value, more = {}) =>
      element("label", {}, `${title} `, element("input", { name, value, autocomplete: "off", required: true, ...more }));
    const conditions = Object.entries(side.conditions).map(([name, value]) => `${name} ${value}`).join(", ");
    const optional = { inputMode: "numeric", required: false, placeholder: "as usual", size: 8 };
    this._note.textContent =
      `A job writes a large set to storage, with the settings of the gallery: model ${model?.name ?? "of the service"}, ` +
      `${labels.length ? `labels ${labels.join(", ")}` : "no labels (choose overlays to have them)"}, ${conditions || "cells as the model has them"}.`;
    this._form.replaceChildren(
      field("Images", "n", "100000", { inputMode: "numeric" }),
      field("Seed", "seed", seed, { inputMode: "numeric" }),
      field("Destination", "destination", "", { placeholder: "s3://bucket/prefix", size: 32, spellcheck: false }),
      element("label", {}, "Format ", element("select", { name: "format" }, element("option", {}, "tar"), element("option", {}, "zip"))),
      field("Shard size", "shard_size", "", optional),
      field("For validation, one in", "validation_every", "", { ...optional, placeholder: "none" }),
      element("button", { class: "main" }, "Start"), this._problem,
    );
    this._key = null;
  }

  async _submit(event) {
    event.preventDefault();
    const { side, model, labels } = this._shown();
    const given = Object.fromEntries(new FormData(this._form));
    const whole = (name) => (/^\d+$/.test(given[name]) ? given[name] : JSON.stringify(given[name]));
    const rest = { destination: given.destination.trim(), format: given.format, labels, conditions: side.conditions };
    if (model) rest.model = model.name;
    // A seed may have more digits than a number of this language keeps.
    const numbers = ["n", "seed", ...["shard_size", "validation_every"].filter((name) => given[name].trim() !== "")];
    const body = `{${numbers.map((name) => `"${name}": ${whole(name)}`).join(", ")}, ${JSON.stringify(rest).slice(1)}`;
    if (this._sent !== body) this._key = null;
    this._sent = body;
    // The same key again if the answer is lost: it does not start a second job.
    this._key ??= [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    this._problem.textContent = "";
    const job = await this._try(() => askJson("POST", "jobs", { body, headers: { "Idempotency-Key": this._key } }), this._problem);
    if (job === null) return;
    this._key = null;
    say(`Job ${job.id} is ${job.state}`);
    this._watch();
  }

  /** Return what `run` gives, or null after showing why it failed. */
  async _try(run, place) {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      if (error.code === "unauthorized") this._onproblem(error);
      place.textContent = error.words;
      return null;
    }
  }

  async _watch() {
    clearTimeout(this._timer);
    this._controller?.abort();
    const { signal } = (this._controller = new AbortController());
    let jobs = [];
    try {
      let path = "jobs?limit=50";
      for (let page = 0; page < this._pages && path; page += 1) {
        const answer = await askJson("GET", path, { signal });
        jobs = jobs.concat(answer.jobs);
        path = answer.next?.slice(1);
      }
      this._older.hidden = !path;
      this._onproblem(null);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof ServiceError)) throw error;
      if (error.code === "no_jobs") this._refuse(error);
      else this._onproblem(error);
      if (error.passing) this._timer = setTimeout(() => this._watch(), error.pause);
      return;
    }
    this._show(jobs);
    const moving = jobs.some((job) => MOVING.has(job.state));
    this._timer = setTimeout(() => this._watch(), moving ? PAUSE_MS : IDLE_PAUSE_MS);
  }

  _more() {
    this._pages += 1;
    this._watch();
  }

  _refuse(error) {
    this._form.replaceChildren();
    this._note.textContent = error.words;
    this._list.replaceChildren();
  }

  _show(jobs) {
    for (const job of jobs) {
      const row = this._rows.get(job.id) ?? this._makeRow(job.id);
      this._update(row, job);
    }
    this._list.replaceChildren(...(jobs.length ? jobs.map((job) => this._rows.get(job.id).element) : [element("li", { class: "note" }, "There are none.")]));
  }

  _makeRow(id) {
    const row = { state: "", title: element("strong"), about: element("p"), bar: element("progress", { max: 1, value: 0 }), error: element("p", { class: "problem" }), buttons: element("div", { class: "row" }) };
    row.bar.setAttribute("aria-label", `Progress of job ${id}`);
    row.element = element("li", { "data-id": id }, row.title, row.bar, row.about, row.error, row.buttons);
    this._rows.set(id, row);
    return row;
  }

  _update(row, job) {
    const { images, state } = job;
    row.title.textContent = `${job.destination ?? job.id}: ${STATES[state] ?? state}`;
    row.bar.value = images.total ? images.done / images.total : 0;
    const rate = job.images_per_second ? `, ${readable(job.images_per_second)} per second` : "";
    const left = job.seconds_left === null ? "" : `, ${span(job.seconds_left)} left`;
    const made = `${readable(images.done)} of ${readable(images.total)} images${rate}${left}`;
    row.about.textContent = [made, job.model, `seed ${job.seed}`, job.labels?.join(", "), job.owner && `of ${job.owner}`, job.created].filter(Boolean).join(" · ");
    row.error.textContent = job.errors.at(-1)?.message ?? "";
    if (row.state !== "" && row.state !== state) say(`Job ${job.id} is ${STATES[state] ?? state}`);
    if (row.state !== state) {
      row.buttons.replaceChildren(...(ACTIONS[state] ?? []).map((action) =>
        element("button", { type: "button", onclick: () => this._act(action, job, row) }, TITLES[action])));
    }
    row.state = state;
  }

  async _act(action, job, row) {
    if (action === "cancel" && !confirm(`Cancel the job? What it wrote to ${job.destination} is removed.`)) return;
    const [method, path] = action === "cancel" ? ["DELETE", `jobs/${job.id}`] : ["POST", `jobs/${job.id}/${action}`];
    const changed = await this._try(() => askJson(method, path), row.error);
    if (changed !== null) {
      this._update(row, changed);
      this._watch();
    }
  }
}

function span(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
