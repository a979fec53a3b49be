/** One call of an approval: what it would do, and the ways to decide on it that the policy allows. */
import { useEffect, useId, useState } from "/web/vendor/preact-hooks.js";
import { parseArguments } from "/web/decisions.js";
import { pretty } from "/web/format.js";
import { focus } from "/web/components/focus.js";
import { Arguments } from "/web/components/arguments.js";
import { html } from "/web/components/html.js";
import { Icon } from "/web/components/icons.js";

export function CallDecision({ call, choice, errors, single, busy, onChoose, onSend }) {
  const decision = choice?.decision;
  const form = FORMS[decision];
  const kinds = KINDS.filter(({ kind }) => call.allowed_decisions.includes(kind));
  const atOnce = (kind) => single && kind === "approve"; // needs nothing more to be said
  const press = (kind) => {
    if (atOnce(kind)) onSend({ decision: kind });
    else onChoose({ decision: decision === kind ? null : kind });
  };
  return html`<div class="call" role="group" aria-label=${call.name} data-testid="approval-call"
    data-call=${call.call_id}>
    <h4><${Icon} name="tool" /><span class="name">${call.name}</span></h4>
    ${call.description && html`<p>${call.description}</p>`}
    ${call.reason && html`<p class="reason">${call.reason}</p>`}
    ${decision !== "edit" && html`<${Arguments} value=${call.arguments ?? {}} />`}
    <div class="choices">
      ${kinds.map(
        ({ kind, label, icon }) => html`<button key=${kind} type="button" disabled=${busy} onClick=${() => press(kind)}
          class=${atOnce(kind) && !decision ? "choice suggested" : "choice"}
          aria-pressed=${atOnce(kind) ? undefined : decision === kind}>
          <${Icon} name=${icon} />${label}
        </button>`,
      )}
      ${
        call.always_allowable &&
        html`<label class="always">
          <input type="checkbox" checked=${choice?.always ?? false} disabled=${busy}
            onChange=${(event) => onChoose({ always: event.target.checked })} />
          Always allow in this conversation
        </label>`
      }
    </div>
    ${form && html`<${form} ...${{ call, choice, errors, single, busy, onChoose, onSend }} />`}
    ${decision !== "edit" && html`<${Errors} errors=${errors} />`}
  </div>`;
}

const KINDS = [
  { kind: "approve", label: "Approve", icon: "check" },
  { kind: "edit", label: "Edit", icon: "pencil" },
  { kind: "respond", label: "Respond", icon: "reply" },
  { kind: "reject", label: "Reject", icon: "close" },
];

function EditForm({ call, choice, errors, single, busy, onChoose, onSend }) {
  const id = useId();
  const rows = Math.min(16, choice.arguments.split("\n").length + 1);
  const syntax = usePause(choice.arguments) ? parseArguments(choice.arguments).error : undefined;
  const found = errors ?? (syntax && [{ pointer: null, message: syntax }]);
  return html`<form class="decide" onSubmit=${submitting(onSend, { decision: "edit" })}>
    <label for=${id}>Arguments for ${call.name}</label>
    <textarea id=${id} ref=${focus} class="mono" spellcheck=${false} rows=${rows} value=${choice.arguments}
      aria-invalid=${Boolean(found)} aria-describedby=${`${id}-errors`} disabled=${busy}
      onInput=${(event) => onChoose({ arguments: event.target.value })} />
    <${Errors} id=${`${id}-errors`} errors=${found} />
    ${
      call.schema &&
      html`<details class="schema">
        <summary>What the tool accepts</summary>
        <pre class="raw" tabindex="0">${pretty(call.schema)}</pre>
      </details>`
    }
    ${single && html`<button class="primary" disabled=${busy}>Approve edited</button>`}
  </form>`;
}

/** Whether the text has rested a moment: half-typed JSON is always wrong, and nobody needs to be told. */
function usePause(text) {
  const [rested, setRested] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setRested(text), 600);
    return () => clearTimeout(timer);
  }, [text]);
  return rested === text;
}

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

function Errors({ id, errors = [] }) {
  return html`<div id=${id} role="alert" data-testid="argument-errors">
    ${
      errors.length > 0 &&
      html`<ul class="errors">
        ${errors.map(({ pointer, message }) => html`<li>${pointer && html`<code>${pointer}</code> `}${message}</li>`)}
      </ul>`
    }
  </div>`;
}

function submitting(onSend, change) {
  return (event) => {
    event.preventDefault();
    onSend(change);
  };
}
