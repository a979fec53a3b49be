/** An approval: shows exactly what would run, and takes the decisions. One call acts at once; several go together. */
import { useSignal } from "/web/vendor/signals.js";
import { api } from "/web/api.js";
import { decisionBody, schemaErrors } from "/web/decisions.js";
import { pretty } from "/web/format.js";
import { ApprovalFrame, useSending } from "/web/components/approval_frame.js";
import { CallDecision } from "/web/components/call_decision.js";
import { html } from "/web/components/html.js";
import { QuestionCard } from "/web/components/question_card.js";

/** @param {function(string, object): Promise<object>} decide sends a generation's decisions */
export function ApprovalCard({ generation, approval, decide = api.decide }) {
  const card = approval.kind === "question" ? QuestionCard : ToolApproval;
  return html`<${card} generation=${generation} approval=${approval} decide=${decide} />`;
}

function ToolApproval({ generation, approval, decide: post }) {
  const { calls } = approval; // those still open
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
  const heading = single ? "Waiting for your decision" : `Waiting for ${calls.length} decisions`;
  const footer =
    !single &&
    html`<button type="button" class="primary" disabled=${busy || open > 0} onClick=${send}>Send decisions</button>
      <span class="faint">${open > 0 ? `${open} of ${calls.length} still open` : "All calls have a decision"}</span>`;
  return html`<${ApprovalFrame} label="Approval" ...${{ generation, approval, heading, progress, footer }}>
    ${calls.map(
      (call) => html`<${CallDecision} key=${call.call_id} call=${call} choice=${choices.value[call.call_id]}
        errors=${errors.value[call.call_id]} single=${single} busy=${busy} onChoose=${(change) => choose(call, change)}
        onSend=${(change) => decide(call, change)} />`,
    )}
  </${ApprovalFrame}>`;
}
