// The images of one setting: asked for in streams of a few batches around what is in view, and kept for a while.

import { readNpy, readTar } from "./archives.js";
import { ask, broken, imageQuery, ServiceError, withStream } from "./service.js";

const BATCH = 16; // the service computes whole batches
const LONGEST = 64; // images of a request: the service keeps places free for small ones
const FIRST = 4; // images of the first request: where rows of a batch cost by themselves they come at once
const FEWEST_KEPT = 480;
const SCREENS_KEPT = 3;
const SCROLL_PAUSE_MS = 70;

export class Images {
  /**
   * @param {(index: number, sample: Sample) => void} onsample an image came, perhaps of a setting before this one
   * @param {(error: ServiceError|null) => void} onproblem the service refused, or answers again
   */
  constructor(onsample, onproblem) {
    this._onsample = onsample;
    this._onproblem = onproblem;
    this._samples = new Map();
    this._identity = null;
    this._setting = null;
    this._range = [0, -1];
    this._active = null;
    this._blocked = null;
    this._timer = 0;
    this._fresh = true; // nothing has come yet
    /** Measured parameters by index, of all images that came with them. */
    this.measured = new Map();
    this.most = LONGEST;
  }

  /**
   * Say what is shown from now on. What runs for another setting ends with its first batch, so that images
   * change while somebody drags.
   * @param {{side, seed: string, start: number, count: number, labels: string[]}} setting
   */
  use(setting) {
    const identity = JSON.stringify([setting.side, setting.seed]);
    if (identity !== this._identity) {
      this._samples.clear();
      this.measured.clear();
    }
    this._identity = identity;
    this._setting = setting;
    this._unblock();
  }

  /** Say which images are in view, the first and the last. */
  want(first, last) {
    this._range = [first, last];
    this._pump();
  }

  /** Return an image of this setting with all its labels, or undefined. */
  get(index) {
    const sample = this._samples.get(index);
    return sample !== undefined && this._complete(sample) ? sample : undefined;
  }

  /** Ask again after a problem. */
  retry() {
    this._unblock();
    this._pump();
  }

  /** Count the measured parameters of an image that came another way. */
  note(sample) {
    const measured = sample.record?.parameters?.measured;
    if (measured) this.measured.set(sample.index, measured);
  }

  /** End what runs. */
  stop() {
    clearTimeout(this._timer);
    this._setting = null;
    this._active?.controller.abort();
  }

  get identity() {
    return this._identity;
  }

  _complete(sample) {
    return this._setting.labels.every((label) =>
      label === "parameters" ? sample.record?.parameters !== undefined : sample[label] !== undefined,
    );
  }

  _unblock() {
    clearTimeout(this._timer);
    this._timer = 0;
    if (this._blocked !== null) this._onproblem(null);
    this._blocked = null;
  }

  _pump() {
    if (this._setting === null || this._blocked !== null) return;
    const active = this._active;
    if (active !== null) {
      if (!active.useless && this._answers(active) && !this._isAway(active)) return;
      if (!active.useless) this._end(active);
      return;
    }
    if (this._timer === 0) this._start();
  }

  /** Whether a request is for what is shown now. */
  _answers(request) {
    return (
      request.identity === this._identity &&
      this._setting.labels.every((label) => request.labels.includes(label))
    );
  }

  /** Whether nothing that a request still brings is near what is in view. */
  _isAway(request) {
    const [first, last] = this._ahead();
    return request.last < first || request.next > last + LONGEST;
  }

  /** End a request: that of another place at once, that of another setting when its first batch is there. */
  _end(request) {
    if (this._answers(request)) {
      request.useless = true;
      request.controller.abort();
    } else if (request.next >= request.firstBatchEnd) {
      request.useless = true;
      request.controller.abort();
    }
  }

  /** What is in view and as much after it. */
  _ahead() {
    const [first, last] = this._range;
    const end = this._setting.start + this._setting.count - 1;
    return [first, Math.min(end, last + Math.min(last - first + 1, LONGEST))];
  }

  _next() {
    const [first, last] = this._ahead();
    const missing = (index) => this.get(index) === undefined;
    let begin = first;
    while (begin <= last && !missing(begin)) begin += 1;
    if (begin > last) return null;
    if (this._fresh) return [begin, Math.min(last, begin + Math.min(this.most, FIRST) - 1)];
    begin = Math.max(this._setting.start, begin - (begin % BATCH));
    const end = this._setting.start + this._setting.count - 1;
    const most = Math.min(this.most, LONGEST) - 1;
    let stop = Math.min(end, begin + most, last + (BATCH - 1 - (last % BATCH)));
    while (stop > begin && !missing(stop)) stop -= 1;
    return [begin, stop];
  }

  _start() {
    const range = this._next();
    if (range === null) return;
    const [first, last] = range;
    const request = {
      identity: this._identity, setting: this._setting, labels: this._setting.labels, next: first, last,
      count: last - first + 1,
      firstBatchEnd: Math.min(last + 1, first - (first % BATCH) + BATCH), useless: false,
      controller: new AbortController(),
    };
    this._active = request;
    this._run(request).then((error) => this._finish(request, error));
  }

  async _run(request) {
    const { signal } = request.controller;
    const { setting, labels, next: start, last } = request;
    const format = labels.length ? "tar" : "npy";
    const query = imageQuery(setting.side, setting.seed, start, last - start + 1, format, labels);
    try {
      await withStream(signal, async () => {
        const { body } = await ask("POST", `generate?${query}`, { signal });
        for await (const sample of format === "npy" ? readNpy(body, start) : readTar(body)) {
          if (request.useless) break;
          this._receive(request, sample);
        }
      });
      return null;
    } catch (error) {
      return broken(error);
    }
  }

  _receive(request, sample) {
    request.next = sample.index + 1;
    this._fresh = false;
    if (request.identity === this._identity && this._setting !== null) {
      this._samples.set(sample.index, sample);
      this.note(sample);
      this._forget();
    }
    if (this._setting === null) return;
    this._onsample(sample.index, sample);
    this._pump();
  }

  _finish(request, error) {
    this._active = null;
    if (error !== null && error.name !== "AbortError" && this._answers(request)) {
      if (!(error instanceof ServiceError)) throw error;
      if (request.count > this.most) return this._pump(); // asked before it was known how many are allowed
      this._blocked = error;
      this._onproblem(error);
      if (error.passing || error.retryMs !== null) {
        this._timer = setTimeout(() => this.retry(), error.passing ? error.pause : Math.min(error.retryMs, 2 ** 31 - 1));
      }
      return;
    }
    if (request.useless && this._setting !== null && this._answers(request)) {
      // Somebody scrolls: wait until they have arrived.
      clearTimeout(this._timer);
      this._timer = setTimeout(() => {
        this._timer = 0;
        this._pump();
      }, SCROLL_PAUSE_MS);
      return;
    }
    this._pump();
  }

  /** Drop the oldest images out of view when there are too many. */
  _forget() {
    const [first, last] = this._ahead();
    const most = Math.max(FEWEST_KEPT, SCREENS_KEPT * (last - first + 1));
    for (const index of this._samples.keys()) {
      if (this._samples.size <= most) return;
      if (index < first || index > last) this._samples.delete(index);
    }
  }
}
