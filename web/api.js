/** The server's HTTP API as functions. What is refused or goes wrong is thrown as a Problem, in words for people. */

export class Problem extends Error {
  /** @param body the server's problem+json; `code` and `status` are what code may branch on, `detail` is for people. */
  constructor(body) {
    super(body.detail ?? body.title ?? "Something went wrong.");
    this.name = "Problem";
    this.status = body.status ?? 0;
    this.code = body.code ?? "unknown";
    this.body = body;
  }
}

export const api = {
  agents: () => get("/api/agents").then(items),
  conversations: () => get("/api/conversations?limit=100").then(items),
  messages: (conversation) => get(`/api/conversations/${conversation}/messages`).then(items),
  deleteConversation: (conversation) => send("DELETE", `/api/conversations/${conversation}`),
  live: (conversation) =>
    get(`/api/generations?status=live${conversation ? `&conversation_id=${conversation}` : ""}`).then(items),
  generation: (id) => get(`/api/generations/${id}`),
  start: (body) => send("POST", "/api/generations", body, newId()),
  decide: (id, body) => send("POST", `/api/generations/${id}/decisions`, body, newId()),
  abort: (id) => send("POST", `/api/generations/${id}/abort`, { reason: null }),
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
};

const get = (path) => call(path, { method: "GET" });

function send(method, path, body, key) {
  const headers = { "Content-Type": "application/json", ...(key && { "Idempotency-Key": key }) };
  const options = { method, headers, body: body && JSON.stringify(body) };
  // With a key the same request twice counts once, so a connection lost in the middle may be tried again.
  return key
    ? call(path, options).catch((problem) => (problem.status ? Promise.reject(problem) : call(path, options)))
    : call(path, options);
}

async function call(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch {
    throw new Problem({
      code: "unreachable",
      detail: "The server cannot be reached. Check your connection and try again.",
    });
  }
  if (!response.ok) throw await problemOf(response);
  return response.status === 204 ? null : response.json();
}

const items = (body) => body.items ?? body;
