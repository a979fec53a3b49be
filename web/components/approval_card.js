/** An approval: shows exactly what would run, and takes the decisions. One call acts at once; several go together. */
import { useSignal } from "/web/vendor/signals.js";
import { api } from "/web/api.js";
import { decisionBody, mayDecide, needs, schemaErrors, undecidedBy, whyNot } from "/web/decisions.js";
import { pretty } from "/web/format.js";
import * as state from "/web/state.js";
import { ApprovalFrame, useSending } from "/web/components/approval_frame.js";
import { CallDecision } from "/web/components/call_decision.js";
import { html } from "/web/components/html.js";
import { QuestionCard } from "/web/components/question_card.js";

/**
 * @param {function(string, object): Promise<object>} decide sends a generation's decisions
 * @param {boolean} mine whether it is for the person at the screen to decide
 */
export function ApprovalCard({ generation, approval, decide = api.decide, mine = null }) {
  if (approval.kind === "question") return html`<${QuestionCard} ...${{ generation, approval, decide }} />`;
  return html`<${ToolApproval} ...${{ generation, approval, decide, mine }} />`;
}

function ToolApproval({ generation, approval, decide: post, mine }) {
  const me = state.me.value;
  const left = undecidedBy(approval, me);
  const calls = (mine ?? mayDecide(approval, me)) ? left : []; // of those still open
  const watched = calls.length ? null : left.length ? whyNot(approval, me) : VOTED;
  // Signals, because two choices can come before the next drawing, and the second must see the first.
  const choices = useSignal({});
  const errors = useSignal({});
  const { progress, send: sendBody } = useSending(generation, approval, post);

  const choose = (call, change) => {
    const blank = { decision: null, reason: "", arguments: pretty(call.arguments), text: "", always: false };
    choices.value = { ...choices.value, [call.call_id]: { ...(choices.value[call.call_id] ?? blank), ...change } };
    errors.value = { ...errors.value, [call.call_id]: undefined };
  };

  const send = () => {
    const { body, errors: wrong } = decisionBody(approval, calls, choices.value);
    if (wrong) return void (errors.value = wrong);
    sendBody(body, (problem) => {
      errors.value = schemaErrors(problem);
      return Object.keys(errors.value).length > 0;
    });
  };
  const decide = (call, change) => {
    choose(call, change);
    send();
  };

  const { busy } = progress.value;
  const single = calls.length === 1;
  const open = calls.filter((call) => !choices.value[call.call_id]?.decision).length;
  const waits = single ? "Waiting for your decision" : `Waiting for ${calls.length} decisions`;
  const heading = watched ? `Waiting for ${approval.approver}` : waits;
  const footer =
    calls.length > 1 &&
    html`<button type="button" class="primary" disabled=${busy || open > 0} onClick=${send}>Send decisions</button>
      <span class="faint">${open > 0 ? `${open} of ${calls.length} still open` : "All calls have a decision"}</span>`;
  return html`<${ApprovalFrame} label="Approval" ...${{ generation, approval, heading, progress, footer, watched }}>
    ${approval.calls.map(
      (call) => html`<${CallDecision} key=${call.call_id} call=${call} choice=${choices.value[call.call_id]}
        needs=${needs(approval, call)} asked=${calls.includes(call)} errors=${errors.value[call.call_id]}
        single=${single} busy=${busy} onChoose=${(change) => choose(call, change)}
        onSend=${(change) => decide(call, change)} />`,
    )}
  </${ApprovalFrame}>`;
}

const VOTED = "You have approved. It waits for others to agree.";
