/** Notifications by the browser, for who asked for them and looks elsewhere: somebody is needed. */
import { effect, signal } from "/web/vendor/signals.js";
import { showInbox } from "/web/actions.js";
import * as state from "/web/state.js";

const KEPT = "fermata.notifications";
const possible = "Notification" in globalThis;

export const wanted = signal(possible && Notification.permission === "granted" && localStorage.getItem(KEPT) === "yes");

/** Ask for them, or for no more of them. The browser asks the person only after a click. */
export async function toggle() {
  const granted = !wanted.value && possible && (await Notification.requestPermission()) === "granted";
  if (!wanted.value && !granted) state.notice.value = { tone: "note", text: REFUSED };
  wanted.value = granted;
  localStorage.setItem(KEPT, granted ? "yes" : "no");
}

/** Tell of everything that comes to wait for this person from now on. */
export function watchWaiting() {
  let known = null;
  effect(() => {
    if (state.inbox.value === null) return;
    const fresh = state.waiting.value.filter(({ id }) => known !== null && !known.has(id));
    known = new Set([...(known ?? []), ...state.waiting.value.map(({ id }) => id)]);
    if (wanted.value && !document.hasFocus()) fresh.forEach(tell);
  });
}

/** Without the arguments: other people may see the screen. */
function tell({ id, agent, calls, questions }) {
  const tools = calls.map(({ name }) => name).join(", ");
  const body = questions.length ? questions[0].text : `Wants to use ${tools}.`;
  const notification = new Notification(`${agent.name} waits for you`, { body, tag: id, icon: "/web/icon.svg" });
  notification.onclick = () => {
    window.focus();
    showInbox();
    notification.close();
  };
}

const REFUSED = "This browser shows no notifications of this page. Allow them in its settings, then try again.";
