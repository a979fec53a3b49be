/** Questions the agent asks: options to choose from, or words of one's own. The answers are the tool's result. */
import { useId, useState } from "/web/vendor/preact-hooks.js";
import { api } from "/web/api.js";
import { refusal } from "/web/decisions.js";
import { Countdown } from "/web/components/countdown.js";
import { html } from "/web/components/html.js";
import { Fermata } from "/web/components/icons.js";

export function QuestionCard({ generation, approval }) {
  const [answers, setAnswers] = useState({});
  const [{ busy, said, tone }, setProgress] = useState({ busy: false, said: null, tone: "note" });
  const complete = approval.questions.every(({ id }) => (answers[id] ?? "").length > 0);

  const send = async (event) => {
    event.preventDefault();
    setProgress({ busy: true, said: "Sending…", tone: "note" });
    try {
      const { status } = await api.decide(generation, { approval_id: approval.id, answers });
      const said =
        status === "queued" ? "Recorded, waiting for a worker. It will continue by itself." : "Answered. Continuing…";
      setProgress({ busy: true, said, tone: "note" });
    } catch (problem) {
      setProgress({ busy: false, said: refusal(problem, approval.calls), tone: "problem" });
    }
  };

  return html`<section class="approval" aria-label="Question" data-testid="question" data-approval=${approval.id}>
    <header><${Fermata} state="held" /><h3>A question for you</h3><${Countdown} to=${approval.expires_at} /></header>
    <form onSubmit=${send}>
      ${approval.questions.map((question) => {
        const onAnswer = (answer) => setAnswers((earlier) => ({ ...earlier, [question.id]: answer }));
        return html`<${Question} key=${question.id} ...${{ question, value: answers[question.id], busy, onAnswer }} />`;
      })}
      <footer>
        <button class="primary" disabled=${busy || !complete}>Send answers</button>
        <p class="said" role="status" data-tone=${tone}>${said}</p>
      </footer>
    </form>
  </section>`;
}

function Question({ question, value, busy, onAnswer }) {
  const id = useId();
  const chosen = Array.isArray(value) ? value : [];
  const toggle = (option, checked) => {
    if (!question.multi_select) return onAnswer([option]);
    onAnswer(checked ? [...chosen, option] : chosen.filter((other) => other !== option));
  };
  return html`<fieldset class="question" disabled=${busy}>
    <legend>${question.text}</legend>
    ${question.description && html`<p class="faint">${question.description}</p>`}
    ${(question.options ?? []).map(
      (option) => html`<label key=${option.value} class="option">
        <input type=${question.multi_select ? "checkbox" : "radio"} name=${id} checked=${chosen.includes(option.value)}
          onChange=${(event) => toggle(option.value, event.target.checked)} />${option.label}
      </label>`,
    )}
    <input type="text" aria-label=${`Your answer to: ${question.text}`}
      placeholder=${question.options?.length ? "Or in your own words" : "Your answer"}
      value=${Array.isArray(value) ? "" : (value ?? "")} onInput=${(event) => onAnswer(event.target.value)} />
  </fieldset>`;
}
