// Taking images along: a file of exactly what is shown, and the same request as code.

import { element, openDialog, readable } from "./dom.js";
import { addressOf, ask, broken, imageQuery, readKey, ServiceError } from "./service.js";

const FORMATS = { tar: "tar (WebDataset)", zip: "zip", npy: "npy (images alone)" };
const PART_BYTES = 4 << 20; // kept by the browser outside the page's memory from there on
const RELEASE_MS = 60_000;

/**
 * Let somebody choose what to take along.
 * @param {{name: string, side: object, model: Model, labels: string[]}[]} sides with the labels that are shown
 * @param {{seed: string, start: number, count: number, first: number, last: number}} range of the gallery, and
 *   the first and last image in view
 */
export function openTaking(sides, range) {
  let controller = null;
  const side = select("Setting", sides.map(({ name }, at) => [String(at), name || "as shown"]));
  side.hidden = sides.length === 1;
  const which = select("Images", [
    ["all", `all ${readable(range.count)} of the gallery`],
    ["view", `those in view: ${range.first} to ${range.last}`],
  ]);
  const format = select("Format", Object.entries(FORMATS));
  const labels = element("fieldset", {}, element("legend", {}, "Labels"));
  const code = element("div");
  const progress = element("p", { role: "status" });
  const load = element("button", { type: "button", class: "main" }, "Download");
  const stop = element("button", { type: "button", hidden: true, onclick: () => controller?.abort() }, "Stop");

  const chosen = () => {
    const { side: setting, model } = sides[Number(side.input.value)];
    const [start, count] = which.input.value === "all" ? [range.start, range.count] : [range.first, range.last - range.first + 1];
    const kind = format.input.value;
    const wanted = kind === "npy" ? [] : [...labels.querySelectorAll("input:checked")].map((box) => box.value);
    const named = { ...setting, model: model?.name ?? setting.model };
    return { setting: named, seed: range.seed, start, count, format: kind, labels: wanted };
  };
  const showCode = () => {
    const what = chosen();
    labels.disabled = what.format === "npy";
    code.replaceChildren(...Object.entries(writers).map(([title, write]) => block(title, write(what))));
  };
  const showLabels = () => {
    const { model, labels: shown } = sides[Number(side.input.value)];
    const boxes = (model?.label_names ?? []).map((name) =>
      element("label", { class: "check" }, element("input", { type: "checkbox", value: name, checked: shown.includes(name), onchange: showCode }), ` ${name}`),
    );
    labels.replaceChildren(element("legend", {}, "Labels"), ...(boxes.length ? boxes : ["This model has none."]));
    showCode();
  };
  side.input.addEventListener("change", showLabels);
  which.input.addEventListener("change", showCode);
  format.input.addEventListener("change", showCode);
  load.addEventListener("click", async () => {
    controller = new AbortController();
    [load.hidden, stop.hidden] = [true, false];
    progress.textContent = "Asking for the first images…";
    progress.className = "";
    try {
      const name = await download(chosen(), controller.signal, (bytes) => {
        progress.textContent = `${readable(Math.round(bytes / 1e5) / 10)} MB so far`;
      });
      progress.textContent = `Saved as ${name}.`;
    } catch (error) {
      const told = broken(error);
      progress.className = told.name === "AbortError" ? "" : "problem";
      if (told.name === "AbortError") progress.textContent = "Stopped; nothing was saved.";
      else if (told.code === "cut") progress.textContent = "The service cut the answer; nothing was saved. Try again.";
      else if (told instanceof ServiceError) progress.textContent = told.words;
      else throw told;
    } finally {
      [load.hidden, stop.hidden] = [false, true];
    }
  });
  showLabels();
  const choices = element("div", { class: "choices" }, side, which, format, labels);
  const saving = element("div", { class: "row" }, load, stop, progress);
  openDialog("Take these images with you", element("div", { class: "taking" }, choices, saving, code), {
    wide: true, onclose: () => controller?.abort(),
  });
}

/** Save a file of the service; return its name. Nothing is saved of an answer that is cut. */
async function download(what, signal, onprogress) {
  const response = await ask("POST", `generate?${queryOf(what)}`, { signal });
  const reader = response.body.getReader();
  let [whole, parts, held, bytes] = [new Blob([]), [], 0, 0];
  for (;;) {
    const { done, value } = await reader.read();
    if (!done) {
      parts.push(value);
      held += value.length;
      bytes += value.length;
    }
    if (done || held >= PART_BYTES) {
      whole = new Blob([whole, ...parts]);
      [parts, held] = [[], 0];
      onprogress(bytes);
    }
    if (done) break;
  }
  const name = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition"))?.[1] ?? `images.${what.format}`;
  const address = URL.createObjectURL(whole);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), RELEASE_MS);
  return name;
}

const queryOf = ({ setting, seed, start, count, format, labels }) => imageQuery(setting, seed, start, count, format, labels);

const fileOf = ({ setting, seed, format }) => `endotwin-${setting.model || "images"}-${seed}.${format}`;

/** Programs that make the same file; a key comes from the variable ENDOTWIN_KEY, never from here. */
const writers = {
  curl(what) {
    const key = readKey() ? ' \\\n    -H "Authorization: Bearer $ENDOTWIN_KEY"' : "";
    return `curl -f -X POST "${addressOf("generate")}?${queryOf(what)}"${key} \\\n    -o ${fileOf(what)}`;
  },
  Python(what) {
    const head = readKey() ? '{"Authorization": "Bearer " + os.environ["ENDOTWIN_KEY"]}' : "{}";
    const read = what.format === "npy"
      ? ["    images = numpy.load(io.BytesIO(response.read()))  # uint8 (n, 128, 128)"]
      : [`    with open("${fileOf(what)}", "wb") as file:`, "        shutil.copyfileobj(response, file)"];
    const modules = [...(what.format === "npy" ? ["io"] : []), ...(readKey() ? ["os"] : []), ...(what.format === "npy" ? [] : ["shutil"])];
    return [
      ...modules.map((name) => `import ${name}`), "from urllib.request import Request, urlopen",
      ...(what.format === "npy" ? ["", "import numpy"] : []), "",
      `request = Request("${addressOf("generate")}?${queryOf(what)}",`,
      `                  headers=${head}, method="POST")`, "with urlopen(request) as response:", ...read,
    ].join("\n");
  },
  shell(what) {
    const { setting, seed, start, count, labels } = what;
    const options = [
      `--n ${count}`, `--seed ${seed}`, ...(start ? [`--start ${start}`] : []), ...(setting.model ? [`--model ${setting.model}`] : []),
      ...(labels.length ? [`--labels ${labels.join(",")}`] : []),
      ...Object.entries(setting.conditions).filter(([, value]) => value !== "false").map(([name, value]) => option(name.replaceAll("_", "-"), value)),
      `-o ${fileOf(what)}`,
    ];
    return `endotwin generate ${options.join(" ")}`;
  },
};

const option = (name, value) => (value === "true" ? `--${name}` : `--${name} ${value}`);

const ABOUT = { curl: "curl", Python: "Python", shell: "Shell, without a service" };

function block(title, text) {
  const box = element("pre", { tabIndex: 0, "aria-label": ABOUT[title] }, text);
  const button = element("button", { type: "button", "aria-label": `Copy ${title}` }, "Copy");
  button.addEventListener("click", async () => {
    button.textContent = (await copy(text, box)) ? "Copied" : "Press Ctrl+C";
  });
  return element("div", { class: "code", "data-name": title }, element("div", { class: "row" }, element("h3", { class: "grow" }, ABOUT[title]), button), box);
}

/** Copy text; without TLS browsers have no clipboard, so that the text is selected instead. */
async function copy(text, box) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection().selectAllChildren(box);
    return document.execCommand("copy");
  }
}

function select(title, options) {
  const input = element("select", {}, ...options.map(([value, text]) => element("option", { value }, text)));
  return Object.assign(element("label", {}, `${title} `, input), { input });
}
