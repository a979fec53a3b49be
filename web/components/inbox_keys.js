/** The keys of the inbox. They press the buttons that are there, so nothing can be done with them that these do not do.
 *
 * They count only while the focus is inside the inbox and nobody is typing there.
 */
import { showConversation } from "/web/actions.js";

const KEYS = {
  j: (frame) => step(frame, 1),
  k: (frame) => step(frame, -1),
  a: (_, item) => press(item, "approve"),
  r: (_, item) => press(item, "reject"),
  e: (_, item) => press(item, "edit"),
  Enter: (_, { dataset }) => dataset.conversation && showConversation(dataset.conversation), // it may be another's
};

export function pressKey(event, frame) {
  const { key, target } = event;
  const item = target.closest(".item");
  if (event.isComposing || event.altKey) return;
  if (target.matches("textarea, select, input:not([type=checkbox])")) {
    if (key === "Escape") item?.focus();
    if (key === "Enter" && (event.ctrlKey || event.metaKey)) target.closest("form")?.querySelector(".primary")?.click();
    return;
  }
  const presses = key === "Enter" && target.matches("a, button, summary, input");
  if (event.ctrlKey || event.metaKey || presses || !(key in KEYS) || !(item || "jk".includes(key))) return;
  event.preventDefault(); // or the letter would stand in the field that it opens
  KEYS[key](frame, item);
}

/** Give the focus of an item that leaves to its neighbour. */
export function leave(frame, id) {
  const items = onScreen(frame);
  const here = items.findIndex(({ dataset }) => dataset.id === id);
  (items[here + 1] ?? items[here - 1] ?? frame).focus();
}

function step(frame, by) {
  const items = onScreen(frame);
  const here = items.indexOf(document.activeElement.closest(".item"));
  items[here < 0 ? 0 : Math.min(Math.max(here + by, 0), items.length - 1)]?.focus();
}

const onScreen = (frame) => [...frame.querySelectorAll(".item:not([hidden])")];

/** On the call that has the focus; else on all of them, or where one has to say more, on the first that is open. */
function press(item, kind) {
  const calls = [...item.querySelectorAll(".call")];
  if (!calls.length) item.querySelector("fieldset input, fieldset textarea")?.focus(); // questions are answered there
  const open = calls.filter((call) => !call.querySelector('[aria-pressed="true"]'));
  const here = document.activeElement.closest(".call");
  const meant = here ? [here] : kind === "approve" ? open : open.slice(0, 1);
  for (const call of meant) call.querySelector(`[data-kind="${kind}"]`)?.click();
  if (kind === "approve" && calls.length > 1)
    requestAnimationFrame(() => item.querySelector("footer .primary:not(:disabled)")?.focus());
}
