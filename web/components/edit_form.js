/** Changing a call's arguments before it runs: in a form where they are plain, else as JSON. */
import { useEffect, useId, useState } from "/web/vendor/preact-hooks.js";
import { parseArguments, plainFields } from "/web/decisions.js";
import { pretty } from "/web/format.js";
import { Changes } from "/web/components/changes.js";
import { focus } from "/web/components/focus.js";
import { html } from "/web/components/html.js";

export function EditForm({ call, choice, errors = [], single, busy, onChoose, onSend }) {
  const fields = plainFields(call.schema, choice.arguments);
  const [asJson, setAsJson] = useState(fields === null); // a form must not appear under the hands of who writes JSON
  const onText = (text) => onChoose({ arguments: text });
  const { value } = parseArguments(choice.arguments);
  const shown = fields && !asJson ? fields : null;
  return html`<form class="decide" onSubmit=${submitting(onSend, { decision: "edit" })}>
    ${
      shown
        ? html`<${Fields} ...${{ fields, errors, busy }} text=${choice.arguments} onText=${onText} />`
        : html`<${Json} ...${{ call, errors, busy }} text=${choice.arguments} onText=${onText} />`
    }
    ${value && html`<${Changes} before=${call.arguments ?? {}} after=${value} />`}
    <div class="row">
      ${single && html`<button class="primary" disabled=${busy}>Approve edited</button>`}
      <span class="spacer" />
      ${
        fields &&
        html`<button type="button" class="link" onClick=${() => setAsJson(!asJson)}>
          ${asJson ? "Edit as a form" : "Edit as JSON"}
        </button>`
      }
    </div>
  </form>`;
}

/** The text stays the truth; each field shows one value of it and writes the whole again. */
function Fields({ fields, errors, busy, text, onText }) {
  const onValue = ({ name, required }, value) => {
    const values = { ...parseArguments(text).value };
    if (value === undefined || (value === "" && !required)) delete values[name];
    else values[name] = value;
    onText(pretty(values));
  };
  const belongs = (error) => fields.some(({ name }) => error.pointer === `/${name}`);
  return html`${fields.map(
    (field, position) => html`<${Field} key=${field.name} ...${{ field, busy }} first=${position === 0}
        errors=${errors.filter(({ pointer }) => pointer === `/${field.name}`)}
        onValue=${(value) => onValue(field, value)} />`,
  )}
    <${Errors} errors=${errors.filter((error) => !belongs(error))} />`;
}

function Field({ field, errors, busy, first, onValue }) {
  const id = useId();
  const { name, type, value } = field;
  const common = {
    id,
    ref: first ? focus : undefined,
    disabled: busy,
    "aria-invalid": errors.length > 0,
    "aria-describedby": `${id}-errors`,
  };
  return html`<div class="field">
    <label for=${id}>${name}</label>
    ${
      type === "boolean"
        ? html`<input type="checkbox" ...${common} checked=${value ?? false}
            onChange=${(event) => onValue(event.target.checked)} />`
        : type === "string"
          ? html`<textarea ...${common} rows=${rows(value ?? "")} value=${value ?? ""}
              onInput=${(event) => onValue(event.target.value)} />`
          : html`<input type="number" step="any" ...${common} value=${value ?? ""}
              onInput=${(event) => onValue(event.target.value === "" ? undefined : event.target.valueAsNumber)} />`
    }
    <${Errors} id=${`${id}-errors`} errors=${errors.map(({ message }) => ({ pointer: null, message }))} />
  </div>`;
}

function Json({ call, errors, busy, text, onText }) {
  const id = useId();
  const syntax = usePause(text) ? parseArguments(text).error : undefined;
  const found = errors.length || !syntax ? errors : [{ pointer: null, message: syntax }];
  return html`<label for=${id}>Arguments for ${call.name}</label>
    <textarea id=${id} ref=${focus} class="mono" spellcheck=${false} rows=${rows(text) + 1} value=${text}
      aria-invalid=${found.length > 0} aria-describedby=${`${id}-errors`} disabled=${busy}
      onInput=${(event) => onText(event.target.value)} />
    <${Errors} id=${`${id}-errors`} errors=${found} />
    ${
      call.schema &&
      html`<details class="schema">
        <summary>What the tool accepts</summary>
        <pre class="raw" tabindex="0">${pretty(call.schema)}</pre>
      </details>`
    }`;
}

export function Errors({ id, errors = [] }) {
  return html`<div id=${id} role="alert" data-testid="argument-errors">
    ${
      errors.length > 0 &&
      html`<ul class="errors">
        ${errors.map(({ pointer, message }) => html`<li>${pointer && html`<code>${pointer}</code> `}${message}</li>`)}
      </ul>`
    }
  </div>`;
}

export function submitting(onSend, change) {
  return (event) => {
    event.preventDefault();
    onSend(change);
  };
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

const rows = (text) =>
  Math.min(
    14,
    text.split("\n").reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / 72)), 0),
  );
