/** What each kind of approval has on the page: until when it waits, more time for it, and what became of a click. */
import { useSignal } from "/web/vendor/signals.js";
import { api } from "/web/api.js";
import { refusal } from "/web/decisions.js";
import * as state from "/web/state.js";
import { Countdown } from "/web/components/countdown.js";
import { focusComposer } from "/web/components/focus.js";
import { html } from "/web/components/html.js";
import { Fermata } from "/web/components/icons.js";

/**
 * Sending what a person has decided, once at a time.
 * @param {function(string, object): Promise<object>} post
 * @returns progress, a signal of {busy, said, tone}; and send(body, explain), where explain(problem) shows what can be
 *   put right at its place, and says whether there was anything
 */
export function useSending(generation, approval, post) {
  const progress = useSignal({ busy: false, said: null, tone: "note" });
  const send = async (body, explain) => {
    if (progress.value.busy) return;
    state.notice.value = null;
    progress.value = { busy: true, said: "Sending…", tone: "note" };
    try {
      const { status } = await post(generation, body);
      progress.value = { busy: true, said: TAKEN[status] ?? TAKEN.resuming, tone: "note" };
      focusComposer();
    } catch (problem) {
      const explained = explain(problem);
      const said = refusal(problem, approval.calls);
      // On a conflict the card leaves as soon as the stream tells of the other decision; the explanation outlives it.
      if (problem.status === 409) state.notice.value = { tone: "note", text: said };
      progress.value = { busy: false, said: explained || problem.status === 409 ? null : said, tone: "problem" };
    }
  };
  return { progress, send };
}

/** @param watched why the person at the screen only looks on, if that is so */
export function ApprovalFrame({ generation, approval, label, heading, progress, footer, watched = null, children }) {
  const { busy, said, tone } = progress.value;
  const extend = async () => {
    try {
      await api.extend(generation, approval.id, HOUR);
    } catch (problem) {
      progress.value = { busy: false, said: refusal(problem, approval.calls), tone: "problem" };
    }
  };
  return html`<div class="approval" role="group" aria-label=${label} data-testid="approval" data-approval=${approval.id}
    data-kind=${approval.kind}>
    <header>
      <${Fermata} state="held" />
      <h3>${heading}</h3>
      <${Countdown} to=${approval.expires_at} />
      ${
        !watched &&
        html`<button type="button" class="quiet" title="Wait an hour longer for a decision" disabled=${busy}
          onClick=${extend}>
          +1 h
        </button>`
      }
    </header>
    ${children}
    <footer>
      ${footer}
      <p class="said" role="status" data-tone=${tone} data-testid="decision-status">${watched ?? said}</p>
    </footer>
  </div>`;
}

const HOUR = 3600; // seconds

const TAKEN = {
  resuming: "Decision taken. Continuing…",
  waiting: "Recorded. Others are still open.",
  queued: "Recorded, waiting for a worker. It will continue by itself.",
};
