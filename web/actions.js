/** What a person can do: send, ask again, stop, turn to something else. Each says what went wrong in the page's one notice. */
import { batch } from "/web/vendor/signals.js";
import { api, newId } from "/web/api.js";
import { followGeneration, openConversation, openInbox } from "/web/conversation.js";
import { forkOf, upsert } from "/web/thread.js";
import * as state from "/web/state.js";

/** Send a message after the thread on screen. While an answer is live it is stopped first and its text is kept. */
export function sendMessage(text) {
  const last = state.shown.value.at(-1)?.message;
  const message = userMessage(text, last?.id ?? null);
  // A live answer has no end yet to name as the parent: whatever it comes to, the server puts the message behind it.
  const placed =
    state.live.value || !last ? { on_conflict: "replace" } : { on_conflict: "reject", parent_message_id: last.id };
  return begin(message, { input: { text }, message_id: message.id, ...placed }, text);
}

/** Send another version of a message that was already sent, as a new branch beside it. */
export function resendMessage(original, text) {
  const message = userMessage(text, original.parent_id);
  const body = {
    input: { text },
    message_id: message.id,
    parent_message_id: original.parent_id ?? "root",
    on_conflict: "replace",
  };
  return begin(message, body, text);
}

/** Have a message answered again, as a new branch beside the old answer. */
export function regenerate(message) {
  return begin(message, { regenerate: true, message_id: message.id, on_conflict: "replace" }, "");
}

export async function stop() {
  try {
    await api.abort(state.view.value.id);
  } catch (problem) {
    if (problem.code !== "already_finished") report(problem);
  }
}

/** Show the sibling of a message that lies so many steps beside it. */
export function switchBranch(message, steps) {
  const { siblings } = state.shown.value.find((shown) => shown.message.id === message.id);
  const sibling = siblings[siblings.indexOf(message.id) + steps];
  state.choices.value = { ...state.choices.value, [forkOf(message)]: sibling };
}

/** Open a conversation under its own address, so that back, forward and bookmarks work. */
export function showConversation(id) {
  history.pushState(null, "", id ? `/?c=${id}` : "/");
  return openConversation(id);
}

/** Open the inbox, likewise. */
export function showInbox() {
  history.pushState(null, "", "/?inbox");
  openInbox();
}

export const report = (problem) => (state.notice.value = { tone: "problem", text: problem.message });

/** Show the message at once, start the generation, and take both back if the server refuses. */
async function begin(message, body, text) {
  const before = state.messages.value;
  const fork = { ...state.choices.value };
  delete fork[forkOf(message)];
  delete fork[message.id];
  batch(() => {
    state.messages.value = upsert(before, state.view.value?.user_message, state.view.value?.message, message);
    state.choices.value = fork;
    state.notice.value = null;
    state.draft.value = "";
  });
  try {
    const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const conversation = state.conversation.value;
    const started = await api.start({
      conversation_id: conversation,
      agent: state.chosenAgent.value,
      timezone,
      ...body,
    });
    if (state.conversation.value !== conversation) return;
    batch(() => {
      state.conversation.value = started.conversation_id;
      state.view.value = opening(started, message);
    });
    if (conversation === null) history.pushState(null, "", `/?c=${started.conversation_id}`);
    followGeneration(started.id, null);
  } catch (problem) {
    state.messages.value = before;
    state.draft.value ||= text;
    if (problem.code === "generation_live") await openConversation(state.conversation.value);
    report(problem);
  }
}

const userMessage = (text, parent) => ({
  id: newId(),
  parent_id: parent,
  role: "user",
  parts: [{ type: "text", text }],
  created_at: new Date().toISOString(),
});

/** The view of a generation of which only the start is known, until its snapshot arrives. */
function opening(started, message) {
  const user_message = { ...message, id: started.user_message_id };
  const { id, conversation_id, status, created_at } = started;
  const answer = {
    id: started.response_message_id,
    parent_id: user_message.id,
    role: "assistant",
    parts: [],
    created_at,
  };
  return {
    id,
    conversation_id,
    status,
    created_at,
    outcome: null,
    error: null,
    message: answer,
    user_message,
    approvals: [],
  };
}
