/** Which conversation is on screen, and the stream of its live generation folded into the view, one batch per frame. */
import { batch } from "/web/vendor/signals.js";
import { api } from "/web/api.js";
import { fold } from "/web/fold.js";
import { follow } from "/web/stream.js";
import { upsert } from "/web/thread.js";
import * as state from "/web/state.js";

let following = new AbortController(); // aborted when the page turns to something else; late answers check it

/** Show a conversation, or with null a new one. The history comes first, then the running answer continues in place. */
export async function openConversation(id) {
  const signal = turnTo("conversation", id);
  if (id === null) return;
  try {
    const [history, { live }] = await Promise.all([api.messages(id), api.conversation(id)]);
    const newest = live?.id ?? history.findLast((message) => message.generation_id)?.generation_id;
    const view = newest ? await api.generation(newest).catch(() => null) : null; // an old one may be cleared away
    if (signal.aborted) return;
    batch(() => {
      state.messages.value = history;
      state.view.value = view;
      state.chosenAgent.value = view?.agent?.id ?? state.chosenAgent.value;
      state.loading.value = false;
    });
    if (view && view.outcome === null) followGeneration(view.id, view.cursor);
    await refreshGrants();
  } catch (problem) {
    if (signal.aborted) return;
    state.loading.value = false;
    state.notice.value = { tone: "problem", text: problem.message };
  }
}

/** Show what waits for a decision in all conversations. */
export const openInbox = () => void turnTo("inbox", null);

/** Follow a generation from a cursor, or with null from a snapshot, until it ends or the page turns away. */
export async function followGeneration(id, cursor) {
  const signal = leave();
  const waiting = [];
  const apply = () => {
    if (signal.aborted || !waiting.length) return;
    const before = state.view.value;
    const after = waiting.splice(0).reduce((view, { id: seq, event }) => fold(view, event, seq), before);
    state.view.value = after;
    if (before && !before.started_at && after.started_at) refreshList(); // it is listed as soon as it is recorded
    announce(before, after);
  };
  const onFrame = (frame) => {
    if (waiting.push(frame) === 1) nextFrame(apply);
  };
  const onState = (connection) => {
    if (!signal.aborted) state.connection.value = connection;
  };
  try {
    await follow(`/api/generations/${id}/events`, { cursor, signal, onFrame, onState });
    apply();
    if (signal.aborted) return;
    if (!state.view.value.outcome) return openConversation(state.conversation.value); // its log had been cleared away
    const { user_message, message } = state.view.value;
    state.messages.value = upsert(state.messages.value, user_message, message);
    refreshList();
    await refreshGrants();
  } catch (problem) {
    if (!signal.aborted) state.notice.value = { tone: "problem", text: problem.message };
  } finally {
    if (!signal.aborted) state.connection.value = "idle";
  }
}

/** Read the list at the side; where it shows news of the conversation on screen, from a queue or another tab, show them. */
export async function refreshList() {
  const { signal } = following;
  try {
    const known = onScreen()?.updated_at;
    state.conversations.value = await api.conversations();
    const item = onScreen();
    if (!item || state.live.value || state.loading.value) return;
    if (item.live && item.live.id !== state.view.value?.id) return await goOn(item.live.id);
    if (item.updated_at === known) return;
    const history = await api.messages(item.id);
    if (!signal.aborted) state.messages.value = history;
  } catch (problem) {
    if (problem.code === "unreachable") return; // read again on the next occasion; what is on screen stays true
    state.notice.value = { tone: "problem", text: problem.message };
  }
}

/** Read what is not asked about any more in the conversation on screen. */
export async function refreshGrants() {
  const { signal } = following;
  const conversation = state.conversation.value;
  if (conversation === null) return;
  const grants = await api.grants(conversation);
  if (!signal.aborted) state.grants.value = grants;
}

const onScreen = () => state.conversations.value.find((item) => item.id === state.conversation.value);

function turnTo(screen, conversation) {
  const signal = leave();
  batch(() => {
    state.screen.value = screen;
    state.conversation.value = conversation;
    state.messages.value = [];
    state.choices.value = {};
    state.grants.value = [];
    state.view.value = null;
    state.notice.value = null;
    state.loading.value = conversation !== null;
    state.drawerOpen.value = false;
  });
  return signal;
}

function leave() {
  following.abort();
  following = new AbortController();
  state.connection.value = "idle";
  return following.signal;
}

async function goOn(id) {
  const signal = leave();
  const [history, view] = await Promise.all([api.messages(state.conversation.value), api.generation(id)]);
  if (signal.aborted) return;
  batch(() => {
    state.messages.value = history;
    state.view.value = view;
  });
  followGeneration(id, view.cursor);
}

/** Frames stop while a tab is hidden; its view must go on, so that it is complete the moment it is looked at. */
function nextFrame(apply) {
  if (document.hidden) setTimeout(apply, 200);
  else requestAnimationFrame(apply);
}

function announce(before, after) {
  const said = (before?.status !== after.status && SPOKEN[after.outcome ?? after.status]) || null;
  if (said) state.announcement.value = said;
}

const SPOKEN = {
  running: "The answer is being written.",
  requires_action: "The answer waits for your decision.",
  completed: "The answer is complete.",
  failed: "The answer failed.",
  aborted: "The answer was stopped.",
  expired: "The answer ended: nobody decided in time.",
  replaced: "The answer was replaced by a newer one.",
};
