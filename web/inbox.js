/** What waits for this person's decision anywhere. One tab of the browser listens to the feed, and tells the others:
 * a browser has few connections to a server, and the answers need them.
 */
import { batch } from "/web/vendor/signals.js";
import { api } from "/web/api.js";
import { follow } from "/web/stream.js";
import * as state from "/web/state.js";

const ASK = "what waits?";

/** Keep `state.inbox` up to date for as long as the page lives. */
export async function watchInbox() {
  const { tenant, id } = (state.me.value = await api.me());
  const name = `fermata inbox of ${tenant}/${id}`; // a tab may be left over from who was signed in before
  const tabs = new BroadcastChannel(name);
  let listening = false;
  tabs.onmessage = ({ data }) => {
    if (data !== ASK) show(data);
    else if (listening && state.inbox.value) tabs.postMessage(state.inbox.value);
  };
  tabs.postMessage(ASK);
  const begin = () => {
    listening = true;
    return listen(tabs);
  };
  if (navigator.locks) await navigator.locks.request(name, begin);
  else await begin(); // locks are known on https and localhost only; elsewhere every tab listens
}

/** Decide on an approval, which leaves the screen at once and comes back if that is refused. */
export async function decideFromInbox(id, generation, body) {
  state.deciding.value = [...state.deciding.value, id];
  try {
    const answer = await api.decide(generation, body);
    if (answer.receipt?.remaining.length) comeBack(id); // others have to approve it, too
    state.announcement.value = `Decision taken. ${state.waitingCount.value || "No"} more waiting.`;
    return answer;
  } catch (problem) {
    comeBack(id);
    state.announcement.value = `Your decision was refused. ${problem.message}`;
    throw problem;
  }
}

const comeBack = (id) => (state.deciding.value = state.deciding.value.filter((known) => known !== id));

/** PURE: the inbox after an event of its feed. */
export function fold(inbox, event) {
  if (event.type === "snapshot") return { items: event.items, limit: event.more ? event.items.length : Infinity };
  const others = inbox.items.filter(({ id }) => id !== (event.item?.id ?? event.approval_id));
  if (event.item) return { ...inbox, items: sorted([...others, event.item]) };
  const known = inbox.items.find(({ id }) => id === event.approval_id);
  if (!known || event.status !== "pending") return { ...inbox, items: others };
  const { expires_at, may_decide, votes, receipt } = event;
  return { ...inbox, items: sorted([...others, { ...known, expires_at, may_decide, votes, receipt }]) };
}

/** PURE: the calls of an approval that nobody has decided yet. */
export const openCalls = ({ calls, receipt }) => calls.filter(({ call_id }) => receipt.remaining.includes(call_id));

const sorted = (items) => items.sort((one, other) => (one.id < other.id ? -1 : 1)); // ids sort by time

async function listen(tabs) {
  let connection = "connecting";
  const tell = (inbox) => {
    show({ ...inbox, connection });
    tabs.postMessage(state.inbox.value);
  };
  const { signal } = new AbortController();
  const onFrame = ({ event }) => tell(fold(state.inbox.value, event));
  const onState = (now) => {
    connection = now;
    if (state.inbox.value) tell(state.inbox.value);
  };
  await follow("/api/approvals/events", { cursor: null, signal, onFrame, onState });
}

function show(inbox) {
  batch(() => {
    state.inbox.value = inbox;
    state.deciding.value = state.deciding.value.filter((id) => inbox.items.some((item) => item.id === id));
  });
}
