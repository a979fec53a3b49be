/** What the page knows: signals that the components read. Changed only by conversation.js, inbox.js and actions.js. */
import { computed, signal } from "/web/vendor/signals.js";
import { thread, upsert } from "/web/thread.js";

export const me = signal(null); // {id, name, tenant, roles}: who looks; null: not known yet
export const agents = signal([]);
export const chosenAgent = signal(null); // agent id, for the next message

export const conversations = signal([]); // the last used first; `live` is what runs or waits in one

export const screen = signal("conversation"); // or "inbox"
export const conversation = signal(null); // id of the one on screen; null is a new chat
export const loading = signal(false);
export const messages = signal([]); // of the conversation on screen, oldest first, as stored
export const grants = signal([]); // of the conversation on screen: the tools that are not asked about any more
export const choices = signal({}); // fork → message shown there, where the reader has chosen one
export const view = signal(null); // the newest generation of the conversation on screen
export const connection = signal("idle"); // idle | connecting | live | reconnecting | offline

export const inbox = signal(null); // {items, limit, connection}: what waits anywhere, oldest first; null: not known
export const deciding = signal([]); // ids of approvals that were decided here, until the server says so too

export const draft = signal("");
export const notice = signal(null); // {tone: "problem" | "note", text}: one sentence above the composer
export const announcement = signal(""); // for screen readers: what just happened
export const drawerOpen = signal(false); // the conversation list on narrow screens

export const live = computed(() => view.value !== null && view.value.outcome === null);
export const paused = computed(() => live.value && view.value.status === "requires_action");

/** What waits for this person and not for others, as far as nothing was decided here a moment ago. */
export const waiting = computed(() =>
  (inbox.value?.items ?? []).filter(({ id, may_decide }) => may_decide && !deciding.value.includes(id)),
);

/** How many those are: "3", or "200+" where the server shows the oldest only; empty for none. */
export const waitingCount = computed(() => {
  const more = inbox.value && inbox.value.items.length >= inbox.value.limit;
  return waiting.value.length ? `${waiting.value.length}${more ? "+" : ""}` : "";
});

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
