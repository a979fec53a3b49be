/** An approval: shows exactly what would run, and takes the decisions. One call acts at once; several go together. */
import { useSignal } from "/web/vendor/signals.js";
import { api } from "/web/api.js";
import { decisionBody, refusal, schemaErrors } from "/web/decisions.js";
import { pretty } from "/web/format.js";
import * as state from "/web/state.js";
import { CallDecision } from "/web/components/call_decision.js";
import { Countdown } from "/web/components/countdown.js";
import { focusComposer } from "/web/components/focus.js";
import { html } from "/web/components/html.js";
import { Fermata } from "/web/components/icons.js";

/** @param {function(string, object): Promise<object>} decide sends a generation's decisions */
export function ApprovalCard({ generation, approval, decide: post = api.decide }) {
  const { calls } = approval; // those still open
  // Signals, because two choices can come before the next drawing, and the second must see the first.
  const choices = useSignal({});
  const errors = useSignal({});
  const progress = useSignal({ busy: false, said: null, tone: "note" });

  const choose = (call, change) => {
    const blank = { decision: null, reason: "", arguments: pretty(call.arguments), text: "", always: false };
    choices.value = { ...choices.value, [call.call_id]: { ...(choices.value[call.call_id] ?? blank), ...change } };
    errors.value = { ...errors.value, [call.call_id]: undefined };
  };

  const send = async () => {
    const { body, errors: wrong } = decisionBody(approval, calls, choices.value);
    if (wrong) return void (errors.value = wrong);
    state.notice.value = null;
    progress.value = { busy: true, said: "Sending…", tone: "note" };
    try {
      const { status } = await post(generation, body);
      progress.value = { busy: true, said: TAKEN[status] ?? TAKEN.resuming, tone: "note" };
      focusComposer();
    } catch (problem) {
      const found = schemaErrors(problem);
      errors.value = found;
      const said = refusal(problem, calls);
      // On a conflict the card leaves as soon as the stream tells of the other decision; the explanation outlives it.
      if (problem.status === 409) state.notice.value = { tone: "note", text: said };
      const elsewhere = problem.status === 409 || Object.keys(found).length > 0;
      progress.value = { busy: false, said: elsewhere ? null : said, tone: "problem" };
    }
  };
  const decide = (call, change) => {
    choose(call, change);
    send();
  };

  const extend = async () => {
    try {
      await api.extend(generation, approval.id, HOUR);
    } catch (problem) {
      progress.value = { busy: false, said: refusal(problem, calls), tone: "problem" };
    }
  };

  const { busy, said, tone } = progress.value;
  const single = calls.length === 1;
  const open = calls.filter((call) => !choices.value[call.call_id]?.decision).length;
  return html`<div class="approval" role="group" aria-label="Approval" data-testid="approval"
    data-approval=${approval.id}>
    <header>
      <${Fermata} state="held" />
      <h3>${single ? "Waiting for your decision" : `Waiting for ${calls.length} decisions`}</h3>
      <${Countdown} to=${approval.expires_at} />
      <button type="button" class="quiet" title="Wait an hour longer for a decision" disabled=${busy} onClick=${extend}>
        +1 h
      </button>
    </header>
    ${calls.map(
      (call) => html`<${CallDecision} key=${call.call_id} call=${call} choice=${choices.value[call.call_id]}
        errors=${errors.value[call.call_id]} single=${single} busy=${busy} onChoose=${(change) => choose(call, change)}
        onSend=${(change) => decide(call, change)} />`,
    )}
    <footer>
      ${
        !single &&
        html`<button type="button" class="primary" disabled=${busy || open > 0} onClick=${send}>Send decisions</button>
          <span class="faint">
            ${open > 0 ? `${open} of ${calls.length} still open` : "All calls have a decision"}
          </span>`
      }
      <p class="said" role="status" data-tone=${tone} data-testid="decision-status">${said}</p>
    </footer>
  </div>`;
}

const HOUR = 3600; // seconds

const TAKEN = {
  resuming: "Decision taken. Continuing…",
  waiting: "Recorded. Other calls are still open.",
  queued: "Recorded, waiting for a worker. It will continue by itself.",
};
