/** What the page knows: signals that the components read. Changed only by conversation.js and actions.js. */
import { computed, signal } from "/web/vendor/signals.js";
import { thread, upsert } from "/web/thread.js";

export const agents = signal([]);
export const chosenAgent = signal(null); // agent id, for the next message

export const conversations = signal([]); // the last used first; `live` is what runs or waits in one

export const conversation = signal(null); // id of the one on screen; null is a new chat
export const loading = signal(false);
export const messages = signal([]); // of the conversation on screen, oldest first, as stored
export const choices = signal({}); // fork → message shown there, where the reader has chosen one
export const view = signal(null); // the newest generation of the conversation on screen
export const connection = signal("idle"); // idle | connecting | live | reconnecting | offline

export const draft = signal("");
export const notice = signal(null); // {tone: "problem" | "note", text}: one sentence above the composer
export const announcement = signal(""); // for screen readers: what just happened
export const drawerOpen = signal(false); // the conversation list on narrow screens

export const live = computed(() => view.value !== null && view.value.outcome === null);
export const paused = computed(() => live.value && view.value.status === "requires_action");

/** The messages on screen: what is stored, with what is being written over it. */
export const shown = computed(() => {
  const { user_message, message } = view.value ?? {};
  return thread(upsert(messages.value, user_message, message), choices.value);
});

/** The conversation's title; until it has one, what it began with. */
export const title = computed(() => {
  const stored = conversations.value.find((item) => item.id === conversation.value)?.title;
  const beginning = shown.value[0]?.message.parts.find((part) => part.type === "text")?.text ?? null;
  return view.value?.title ?? stored ?? (beginning && beginning.slice(0, 60));
});
