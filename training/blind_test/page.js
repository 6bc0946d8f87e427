"use strict";

// An answer counts only after an image was visible for so long: the second tap of a double tap is no answer
// to the next image.
const SETTLE_MS = 200;

const element = (id) => document.getElementById(id);
const sections = ["enter", "confirm", "test", "paused", "done"];
const answerButtons = [...document.querySelectorAll(".answer")];
const image = element("image");

let progress = null; // what the server last said of this expert
let place = 0; // which image, counted from 0 in this expert's order
let answer = null; // the answer that it has so far
let ready = false; // an image is shown, and no request is on its way
let turn = 0; // grows with every lock: what was asked for before it may not unlock
let again = null; // what "Try again" does

// Time for which the image was visible: neither paused nor in a hidden tab nor behind a locked screen.
const clock = {
  before: 0,
  since: null,
  start() {
    if (this.since === null) this.since = performance.now();
  },
  stop() {
    if (this.since !== null) this.before += performance.now() - this.since;
    this.since = null;
  },
  reset() {
    this.before = 0;
    this.since = null;
  },
  milliseconds() {
    return this.before + (this.since === null ? 0 : performance.now() - this.since);
  },
};

function shown() {
  return sections.find((id) => !element(id).hidden);
}

function show(section) {
  for (const id of sections) element(id).hidden = id !== section;
}

async function ask(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: body ? { "Content-Type": "application/json" } : {},
      body: body && JSON.stringify(body),
    });
  } catch {
    throw new Error("The server does not answer. Is it still running, and is this device still connected?");
  }
  const reply = await response.json().catch(() => null);
  if (!response.ok) throw new Error(reply?.error?.message ?? `The server answered ${response.status}.`);
  return reply;
}

// Runs one step that needs the server; if it fails, shows that and offers to run it again, or, where a field can
// be corrected, moves the focus to the field.
async function step(what, action, field) {
  again = null;
  element("alert").hidden = true;
  try {
    await action();
  } catch (error) {
    element("alert-text").textContent = `${what} ${error.message}`;
    element("alert").hidden = false;
    again = () => step(what, action);
    element("retry").hidden = field !== undefined;
    (field ?? element("retry")).focus();
  }
}

function address(what, expert) {
  return `/api/${what}?expert=${encodeURIComponent(expert)}`;
}

function enter() {
  const name = element("name").value;
  return step("Not possible yet.", async () => {
    progress = await ask("GET", address("progress", name));
    const { expert, answered, total } = progress;
    element("confirm-text").textContent =
      answered === 0
        ? `${expert} is new here: ${total.toLocaleString("en")} images are waiting.`
        : `Welcome back, ${expert}: ${answered.toLocaleString("en")} of ${total.toLocaleString("en")} answered.`;
    element("begin").textContent = answered === 0 ? "Begin" : "Continue";
    show("confirm");
    element("begin").focus();
  }, element("name"));
}

function open(next) {
  lock();
  const asked = turn;
  return step("The image could not be loaded.", async () => {
    if (next >= progress.total) {
      const total = progress.total.toLocaleString("en");
      element("done-text").textContent = `All ${total} images are answered. Thank you!`;
      show("done");
      element("review").focus();
      return;
    }
    const found = await ask("GET", address(`places/${next}`, progress.expert));
    const loaded = new Image();
    loaded.src = found.image;
    await loaded.decode().catch(() => {
      throw new Error("The server does not answer, or the file is damaged.");
    });
    place = found.place;
    answer = found.answer;
    image.src = found.image;
    await image.decode();
    image.alt = `Image ${place + 1} of ${progress.total}`;
    image.className = progress.display;
    showProgress();
    show("test");
    fit();
    clock.reset();
    // After the next frame the image is on the screen.
    requestAnimationFrame(() => requestAnimationFrame(() => appeared(asked)));
    setTimeout(() => appeared(asked), 500); // a hidden tab draws no frame
  });
}

function showProgress() {
  const { answered, total } = progress;
  element("count").textContent = `Image ${(place + 1).toLocaleString("en")}`;
  element("answered").textContent = `${answered.toLocaleString("en")} of ${total.toLocaleString("en")} answered`;
  element("bar").max = total;
  element("bar").value = answered;
  for (const button of answerButtons) {
    button.setAttribute("aria-pressed", String(button.dataset.answer === answer));
  }
}

// While a request is on its way no button does anything. They stay enabled, so that none loses the focus.
function lock() {
  ready = false;
  turn += 1;
  clock.stop();
  element("test").setAttribute("aria-busy", "true");
}

function appeared(asked) {
  if (ready || asked !== turn) return;
  if (!document.hidden) clock.start();
  setTimeout(() => unlock(asked), SETTLE_MS);
}

function unlock(asked = turn) {
  if (ready || asked !== turn || shown() !== "test") return;
  ready = true;
  element("back").disabled = place === 0;
  element("forward").disabled = answer === null;
  element("test").setAttribute("aria-busy", "false");
  if (!document.hidden) clock.start();
}

function give(kind) {
  if (!ready) return;
  const visible = Math.round(clock.milliseconds());
  lock();
  const given = place;
  step("The answer is not stored yet.", async () => {
    progress = await ask("PUT", address(`places/${given}`, progress.expert), { answer: kind, visible_ms: visible });
    await open(given + 1);
  });
}

function back() {
  if (shown() === "done") open(progress.total - 1);
  else if (ready && place > 0) open(place - 1);
}

function forward() {
  if (ready && answer !== null) open(place + 1);
}

function pause() {
  if (!ready) return;
  lock();
  show("paused");
  element("resume").focus();
}

function resume() {
  show("test");
  fit();
  unlock();
}

// The largest whole factor, up to the set's own, that leaves room for the buttons.
function fit() {
  if (shown() !== "test") return;
  const size = progress.image_size;
  const others = document.querySelector("#test header").offsetHeight + element("controls").offsetHeight + 16;
  const width = document.documentElement.clientWidth;
  const room = Math.min(width, window.innerHeight - others);
  const factor = Math.max(1, Math.min(progress.scale, Math.floor(room / size)));
  image.width = image.height = size * factor;
}

element("name-form").addEventListener("submit", (event) => {
  event.preventDefault();
  enter();
});
element("begin").addEventListener("click", () => open(progress.answered));
element("other-name").addEventListener("click", () => {
  show("enter");
  element("name").focus();
});
element("retry").addEventListener("click", () => again?.());
element("back").addEventListener("click", back);
element("forward").addEventListener("click", forward);
element("pause").addEventListener("click", pause);
element("resume").addEventListener("click", resume);
element("review").addEventListener("click", back);
for (const button of answerButtons) button.addEventListener("click", () => give(button.dataset.answer));

document.addEventListener("visibilitychange", () => {
  if (document.hidden) clock.stop();
  else if (ready) clock.start();
});
window.addEventListener("resize", fit);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.tagName === "INPUT") return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.repeat) {
    if (["Enter", " ", "r", "g", "p", "ArrowLeft", "ArrowRight"].includes(key)) event.preventDefault();
    return;
  }
  if (shown() === "test") {
    if (key === "r") give("real");
    else if (key === "g") give("generated");
    else if (key === "p") pause();
    else if (key === "ArrowLeft") back();
    else if (key === "ArrowRight") forward();
    else return;
  } else if (shown() === "paused" && key === "p") resume();
  else if (shown() === "done" && key === "ArrowLeft") back();
  else return;
  event.preventDefault();
});

element("name").focus();
