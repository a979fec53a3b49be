/** One call of an approval: what it would do, and the ways to decide on it that the policy allows. */
import { useId } from "/web/vendor/preact-hooks.js";
import { focus } from "/web/components/focus.js";
import { Arguments } from "/web/components/arguments.js";
import { EditForm, Errors, submitting } from "/web/components/edit_form.js";
import { html } from "/web/components/html.js";
import { Icon } from "/web/components/icons.js";

/** @param asked whether the person at the screen decides it, or only sees it */
export function CallDecision({ call, choice, needs, asked, errors, single, busy, onChoose, onSend }) {
  const decision = choice?.decision;
  const form = FORMS[decision];
  const kinds = KINDS.filter(({ kind }) => asked && call.allowed_decisions.includes(kind));
  const atOnce = (kind) => single && kind === "approve"; // needs nothing more to be said
  const press = (kind) => {
    if (atOnce(kind)) onSend({ decision: kind });
    else onChoose({ decision: decision === kind ? null : kind });
  };
  return html`<div class="call" role="group" aria-label=${call.name} data-testid="approval-call"
    data-call=${call.call_id}>
    <h4><${Icon} name="tool" /><span class="name">${call.name}</span></h4>
    ${call.description && html`<p class="faint">${call.description}</p>`}
    ${call.reason && html`<p>${call.reason}</p>`}
    ${call.because && html`<p class="faint" data-testid="because">Asked because of: ${call.because}</p>`}
    ${needs && html`<p class="faint" data-testid="needs">Needs: ${needs}</p>`}
    ${decision !== "edit" && html`<${Arguments} value=${call.arguments ?? {}} />`}
    <div class="choices">
      ${kinds.map(
        ({ kind, label, icon }) => html`<button key=${kind} type="button" disabled=${busy} onClick=${() => press(kind)}
          class=${atOnce(kind) && !decision ? "choice suggested" : "choice"} data-kind=${kind}
          aria-pressed=${atOnce(kind) ? undefined : decision === kind}>
          <${Icon} name=${icon} />${label}
        </button>`,
      )}
      ${
        asked &&
        call.always_allowable &&
        html`<label class="always">
          <input type="checkbox" checked=${choice?.always ?? false} disabled=${busy}
            onChange=${(event) => onChoose({ always: event.target.checked })} />
          Always allow in this conversation
        </label>`
      }
    </div>
    ${asked && form && html`<${form} ...${{ call, choice, errors, single, busy, onChoose, onSend }} />`}
    ${decision !== "edit" && html`<${Errors} errors=${errors} />`}
  </div>`;
}

const KINDS = [
  { kind: "approve", label: "Approve", icon: "check" },
  { kind: "edit", label: "Edit", icon: "pencil" },
  { kind: "respond", label: "Respond", icon: "reply" },
  { kind: "reject", label: "Reject", icon: "close" },
];

function RespondForm({ call, choice, single, busy, onChoose, onSend }) {
  const id = useId();
  return html`<form class="decide" onSubmit=${submitting(onSend, { decision: "respond" })}>
    <label for=${id}>Result in place of ${call.name}, which will not run</label>
    <textarea id=${id} ref=${focus} rows="3" required value=${choice.text} disabled=${busy}
      onInput=${(event) => onChoose({ text: event.target.value })} />
    ${single && html`<button class="primary" disabled=${busy || !choice.text.trim()}>Send response</button>`}
  </form>`;
}

function RejectForm({ choice, single, busy, onChoose, onSend }) {
  const id = useId();
  return html`<form class="decide" onSubmit=${submitting(onSend, { decision: "reject" })}>
    <label for=${id}>Reason (optional; the model reads it)</label>
    <textarea id=${id} ref=${focus} rows="2" value=${choice.reason} disabled=${busy}
      onInput=${(event) => onChoose({ reason: event.target.value })} />
    ${single && html`<button class="primary danger" disabled=${busy}>Reject call</button>`}
  </form>`;
}

const FORMS = { edit: EditForm, respond: RespondForm, reject: RejectForm };
