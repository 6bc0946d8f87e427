// The service: requests with the key, and its errors in words.

const KEY = "endotwin-key";
const RETRY_MS = 3000;
const SOON_MS = 1000;

/** Codes after which the same request may succeed a little later. */
const PASSING = new Set(["not_ready", "too_many_streams", "too_many_streams_of_caller", "timeout", "no_answer", "cut"]);

let streams = 2; // at a time; one where a caller may have no more
let open = 0;
const waiting = [];

/** A request that did not get what it asked for. */
export class ServiceError extends Error {
  /**
   * @param {string} code of the service, or `no_answer` or `cut`
   * @param {string} message its own words
   * @param {{field?: string, retryMs?: number|null, id?: string}} more
   */
  constructor(code, message, { field = "", retryMs = null, id = "" } = {}) {
    super(message);
    Object.assign(this, { code, field, retryMs, id });
  }

  /** Whether it is worth to ask again by itself. */
  get passing() {
    return PASSING.has(this.code);
  }

  /** Milliseconds until then. */
  get pause() {
    if (["too_many_streams_of_caller", "cut"].includes(this.code)) return SOON_MS;
    return Math.min(this.retryMs ?? RETRY_MS, 30_000);
  }

  /** What happened and what to do, for people. */
  get words() {
    switch (this.code) {
      case "unauthorized": return `This service asks for an access key: ${this.message}.`;
      case "missing_scope": return `The access key is not good for this: ${this.message}.`;
      case "quota_exhausted": return `The images of this key for today are used up: ${this.message}. More ${when(this.retryMs)}.`;
      case "too_many_streams_of_caller":
      case "too_many_streams": return `The service is busy: ${this.message}. The page asks again by itself.`;
      case "not_ready": return `The service is not ready: ${this.message}. The page asks again by itself.`;
      case "no_answer": return "The service does not answer. The page asks again by itself.";
      case "cut": return "The service cut the answer. The page asks again by itself.";
      case "internal_error": return `${sentence(this.message)} ${this.id ? `(request_id ${this.id})` : ""}`;
      default: return sentence(this.message);
    }
  }
}

// Not with a capital: it often begins with the name of a parameter.
const sentence = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);

function when(ms) {
  if (ms === null) return "at midnight UTC";
  const minutes = Math.ceil(ms / 60_000);
  const time = new Date(Date.now() + ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const span = minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `at ${time}, in ${span}`;
}

export const readKey = () => sessionStorage.getItem(KEY) ?? "";

/** Keep the key until the tab is closed; "" forgets it. */
export function keepKey(key) {
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
}

/** Return the address of a path of the service: it may lie below the path of a proxy. */
export const addressOf = (path) => new URL(path, new URL(".", document.baseURI)).href;

/**
 * Ask the service.
 * @returns {Promise<Response>} an answer that is no error
 * @throws {ServiceError}
 */
export async function ask(method, path, { signal, body, headers = {} } = {}) {
  const key = readKey();
  const sent = { ...headers };
  if (key) sent.Authorization = `Bearer ${key}`;
  if (body !== undefined) sent["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(addressOf(path), { method, signal, body, headers: sent, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError("no_answer", "the service does not answer");
  }
  if (response.ok) return response;
  throw await describe(response);
}

async function describe(response) {
  const seconds = Number(response.headers.get("Retry-After"));
  const retryMs = seconds > 0 ? seconds * 1000 : null;
  try {
    const { code, message, field, request_id: id } = (await response.json()).error;
    if (code === "too_many_streams_of_caller") streams = 1;
    return new ServiceError(code, message, { field, retryMs, id });
  } catch (error) {
    if (error.name === "AbortError") return error;
    const code = [502, 503, 504].includes(response.status) ? "no_answer" : "unknown";
    return new ServiceError(code, `the answer was ${response.status} ${response.statusText}`, { retryMs });
  }
}

/** Ask for JSON; a seed that is no exact number of this language becomes its digits. */
export async function askJson(method, path, options) {
  const text = await (await ask(method, path, options)).text();
  return JSON.parse(text.replace(/("seed":\s*)(\d{16,})/g, '$1"$2"'));
}

/** Return the query of images: what each setting of a side, a range and a format make of it. */
export function imageQuery({ model, conditions }, seed, start, count, format, labels = []) {
  const query = new URLSearchParams({ n: count, seed, start, format });
  if (model) query.set("model", model);
  if (labels.length) query.set("labels", labels.join(","));
  for (const [name, value] of Object.entries(conditions)) query.set(name, value);
  return `${query}`.replaceAll("%3A", ":").replaceAll("%2C", ",");
}

/** Hold one of the few places for streams while `use` runs. */
export async function withStream(signal, use) {
  while (open >= streams) await new Promise((resolve) => waiting.push(resolve));
  open += 1;
  try {
    signal?.throwIfAborted();
    return await use();
  } finally {
    open -= 1;
    waiting.shift()?.();
  }
}

/** Turn the break of a stream that had begun into words; what was aborted here stays as it is. */
export function broken(error) {
  if (error instanceof ServiceError || error.name === "AbortError") return error;
  return error instanceof TypeError ? new ServiceError("cut", "the service cut the answer") : error;
}
