/** Questions of the model: a form in which every question is answered, by its options or in one's own words. */
import { useId } from "/web/vendor/preact-hooks.js";
import { useSignal } from "/web/vendor/signals.js";
import { answerErrors, answersBody, choose, chooseOwn, filledIn, isAnswered, isWritten } from "/web/answers.js";
import { ApprovalFrame, useSending } from "/web/components/approval_frame.js";
import { Errors } from "/web/components/edit_form.js";
import { focus } from "/web/components/focus.js";
import { html } from "/web/components/html.js";

export function QuestionCard({ generation, approval, decide }) {
  const { questions } = approval;
  const given = useSignal({}); // by question id
  const errors = useSignal({});
  const { progress, send } = useSending(generation, approval, decide);
  const formId = useId();

  const fill = (question, filled) => {
    given.value = { ...given.value, [question.id]: filled };
    errors.value = { ...errors.value, [question.id]: undefined };
  };
  const open = questions.filter((question) => !isAnswered(question, filledIn(given.value, question))).length;
  const submit = (event) => {
    event.preventDefault();
    if (open > 0) return;
    send(answersBody(approval, given.value), (problem) => {
      errors.value = answerErrors(problem);
      return Object.keys(errors.value).length > 0;
    });
  };
  const keys = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.target.tagName !== "TEXTAREA") return;
    event.stopPropagation(); // the inbox has a meaning of its own for it
    submit(event);
  };

  const { busy } = progress.value;
  const several = questions.length > 1;
  const heading = several ? `${questions.length} questions for you` : "A question for you";
  const [call] = approval.calls;
  const footer = html`<button class="primary" form=${formId} disabled=${busy || open > 0}>
      ${several ? "Send answers" : "Send answer"}
    </button>
    ${several && html`<span class="faint">${open > 0 ? `${open} of ${questions.length} still open` : "All answered"}</span>`}`;
  return html`<${ApprovalFrame} label=${heading} ...${{ generation, approval, heading, progress, footer }}>
    ${call?.reason && html`<p>${call.reason}</p>`}
    <form id=${formId} class="questions" onSubmit=${submit} onKeyDown=${keys}>
      ${questions.map(
        (question) => html`<${Question} key=${question.id} ...${{ question, busy }}
          filled=${filledIn(given.value, question)} error=${errors.value[question.id]}
          onFill=${(filled) => fill(question, filled)} />`,
      )}
    </form>
  </${ApprovalFrame}>`;
}

function Question({ question, filled, error, busy, onFill }) {
  const id = useId();
  const { text, description, options, multi_select } = question;
  const kind = multi_select ? "checkbox" : "radio";
  const option = (label, checked, onChange) => html`<label class="option">
    <input type=${kind} name=${id} checked=${checked} onChange=${onChange} /><span>${label}</span>
  </label>`;
  const described = [description && `${id}-description`, `${id}-errors`].filter(Boolean).join(" ");
  return html`<fieldset class="question" disabled=${busy} aria-describedby=${described} data-testid="question"
    data-question=${question.id}>
    <legend id=${`${id}-text`}>${text}</legend>
    ${description && html`<p class="faint" id=${`${id}-description`}>${description}</p>`}
    ${options.map(({ label, value }) =>
      option(label, filled.chosen.includes(value), () => onFill(choose(question, filled, value))),
    )}
    ${options.length > 0 && option("Something else", filled.own, () => onFill(chooseOwn(question, filled)))}
    ${
      isWritten(question, filled) &&
      html`<textarea rows="2" maxlength=${LONGEST} ref=${filled.own ? focus : undefined} value=${filled.text}
        aria-labelledby=${`${id}-text`} aria-invalid=${Boolean(error)} placeholder="Your own words"
        onInput=${(event) => onFill({ ...filled, text: event.target.value })} />`
    }
    <${Errors} id=${`${id}-errors`} errors=${error ? [{ pointer: null, message: error }] : []} />
  </fieldset>`;
}

const LONGEST = 16_000; // characters, which the server takes in all
