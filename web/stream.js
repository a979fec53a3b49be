/** Follows an event stream over fetch: resumes after its cursor, reconnects with backoff, stops at the terminal event.
 *
 * Not `EventSource`, because that cannot send a first `Last-Event-ID`, which a page that already holds a view needs.
 */
import { problemOf } from "/web/api.js";

const FIRST_DELAY = 500;
const LONGEST_DELAY = 15_000;
const SILENCE = 45_000; // the server comments every 15 s; three missed ones mean that the connection is dead

/**
 * Read until the stream has ended, for good or by `signal`. Rejects with a Problem when the server refuses it.
 * @param {string} url
 * @param {{cursor: number|null, signal: AbortSignal, onFrame: (frame: {id: number|null, event: object}) => void,
 *          onState: (state: "connecting"|"live"|"reconnecting"|"offline") => void}} options
 */
export async function follow(url, { cursor, signal, onFrame, onState }) {
  let base = FIRST_DELAY;
  let failures = 0;
  onState("connecting");
  while (!signal.aborted) {
    let wait = null;
    try {
      const response = await open(url, cursor, signal);
      if (response.status === 204) return;
      if (response.status === 409) {
        cursor = null; // a cursor of another log, after a restore: begin again with a snapshot
      } else if (response.ok) {
        onState("live");
        for await (const frame of frames(response.body, signal)) {
          failures = 0;
          if (frame.retry !== null) base = frame.retry;
          if (frame.id !== null) cursor = frame.id;
          if (frame.event !== null) onFrame(frame);
          if (frame.event?.type === "generation.finished") return;
        }
      } else if (response.status === 429 || response.status >= 500) {
        wait = Number(response.headers.get("Retry-After")) * 1000 || null;
      } else {
        throw await problemOf(response);
      }
    } catch (error) {
      if (error.name === "Problem") throw error;
    }
    if (signal.aborted) return;
    onState(navigator.onLine ? "reconnecting" : "offline");
    await pause(wait ?? backoff(base, failures++), signal);
  }
}

/** Waiting time before the next try: doubles up to a bound, with jitter so that many pages do not return at once. */
export function backoff(base, failures) {
  return Math.min(base * 2 ** failures, LONGEST_DELAY) * (0.5 + Math.random() / 2);
}

/** Split what has arrived into complete frames and the rest. Comments and unknown fields are skipped, as SSE asks. */
export function parseFrames(buffer) {
  const blocks = buffer.split("\n\n");
  const rest = blocks.pop();
  const parsed = blocks.map((block) => {
    const frame = { id: null, retry: null, event: null };
    for (const line of block.split("\n")) {
      if (line.startsWith("data: ")) frame.event = JSON.parse(line.slice(6));
      else if (line.startsWith("id: ")) frame.id = Number(line.slice(4));
      else if (line.startsWith("retry: ")) frame.retry = Number(line.slice(7));
    }
    return frame;
  });
  return { frames: parsed, rest };
}

function open(url, cursor, signal) {
  const headers = { Accept: "text/event-stream", ...(cursor !== null && { "Last-Event-ID": String(cursor) }) };
  return fetch(url, { headers, signal, credentials: "same-origin", cache: "no-store" });
}

async function* frames(body, signal) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let buffer = "";
  let silence;
  try {
    while (!signal.aborted) {
      silence = setTimeout(() => reader.cancel(), SILENCE);
      const { done, value } = await reader.read();
      clearTimeout(silence);
      if (done) return;
      const text = decoder.decode(value, { stream: true });
      buffer += text;
      if (!text.includes("\n")) continue; // in the middle of a long snapshot: do not scan it again for every chunk
      const { frames: complete, rest } = parseFrames(buffer);
      buffer = rest;
      yield* complete;
    }
  } finally {
    clearTimeout(silence);
    reader.cancel().catch(() => {});
  }
}

/** Wait, but no longer once the network is back. */
function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds);
    addEventListener("online", done);
    signal.addEventListener("abort", done);
    function done() {
      clearTimeout(timer);
      removeEventListener("online", done);
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}
