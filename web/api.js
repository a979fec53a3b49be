/** The server's HTTP API as functions. What is refused or goes wrong is thrown as a Problem, in words for people. */

const UNREACHABLE = 0; // in the place of a status

export class Problem extends Error {
  /** @param body the server's problem+json; `code` and `status` are what code may branch on, `detail` is for people. */
  constructor(body) {
    super(body.detail ?? body.title ?? "Something went wrong.");
    this.name = "Problem";
    this.status = body.status;
    this.code = body.code ?? "unknown";
    this.body = body;
  }
}

export const api = {
  me: () => get("/api/me"),
  agents: () => get("/api/agents").then(items),
  conversations: () => get("/api/conversations?limit=100").then(items),
  conversation: (id) => get(`/api/conversations/${id}`),
  grants: (conversation) => get(`/api/conversations/${conversation}/grants`).then(items),
  revoke: (conversation, tool) =>
    call(`/api/conversations/${conversation}/grants/${encodeURIComponent(tool)}`, { method: "DELETE" }),
  messages: (conversation) => get(`/api/conversations/${conversation}/messages`).then(items),
  generation: (id) => get(`/api/generations/${id}`),
  start: (body) => post("/api/generations", body),
  settledApprovals: (before) =>
    get(`/api/approvals?status=settled&limit=30${before ? `&before=${encodeURIComponent(before)}` : ""}`),
  decide: (id, body) => post(`/api/generations/${id}/decisions`, body),
  extend: (id, approval, seconds) => post(`/api/generations/${id}/approvals/${approval}/extend`, { seconds }),
  abort: (id) => post(`/api/generations/${id}/abort`, { reason: null }),
};

/** A random UUID. `crypto.randomUUID` exists only on https and localhost. */
export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** The Problem behind a refused response, whatever a proxy in between made of its body. */
export async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  const detail = body.detail ?? FALLBACKS[response.status] ?? `The server answered with status ${response.status}.`;
  return new Problem({ ...body, detail, status: response.status });
}

const FALLBACKS = {
  401: "You are not signed in.",
  404: "This does not exist, or it is not yours.",
  429: "Too many requests. Wait a moment and try again.",
  500: "The server failed. Try again; if it stays, look into its log.",
  502: "The server is not available right now. Try again in a moment.",
  503: "The server is not available right now. Try again in a moment.",
  504: "The server is not available right now. Try again in a moment.",
};

const get = (path) => call(path, { method: "GET" });

/** Each post has a key, so that it counts once even if its answer was lost and it is sent again. */
function post(path, body) {
  const headers = { "Content-Type": "application/json", "Idempotency-Key": newId() };
  return call(path, { method: "POST", headers, body: JSON.stringify(body) });
}

/** While the server is away, for a restart perhaps, try again for a while before saying so. */
async function call(path, options) {
  for (const delay of DELAYS) {
    try {
      return await callOnce(path, options);
    } catch (problem) {
      if (!AWAY.includes(problem.status)) throw problem;
    }
    await new Promise((resolve) => setTimeout(resolve, delay));
  }
  return callOnce(path, options);
}

const DELAYS = [300, 700, 1500, 3000, 5000, 8000]; // milliseconds; a restart may take so long
const AWAY = [UNREACHABLE, 502, 503, 504];

async function callOnce(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch {
    throw new Problem({
      status: UNREACHABLE,
      code: "unreachable",
      detail: "The server cannot be reached. Check your connection and try again.",
    });
  }
  if (!response.ok) throw await problemOf(response);
  return response.json();
}

const items = (body) => body.items;
