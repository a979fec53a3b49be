/** Where the keyboard goes when something appears or leaves. */

/** A ref: what a person has just opened takes the focus, once. */
export const focus = (element) => element?.focus();

/** Back to the message box, but not on touch screens, where that would open the keyboard over the answer. */
export function focusComposer() {
  if (matchMedia("(hover: hover)").matches) document.getElementById("message")?.focus({ preventScroll: true });
}
