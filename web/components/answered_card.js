/** Questions that were answered: what was asked, what was answered, and by whom. */
import { html, memo } from "/web/components/html.js";
import { Icon } from "/web/components/icons.js";

/** @param {{question: string, words: string[]}[]} answers */
export const AnsweredCard = memo(({ part, answers }) => {
  return html`<div class="card answered" data-testid="answered-card" data-call=${part.call_id}>
    <${Icon} name="reply" />
    <dl>
      ${answers.map(
        ({ question, words }, place) => html`<div key=${place}>
          <dt>${question}</dt>
          ${words.map((word) => html`<dd>${word}</dd>`)}
        </div>`,
      )}
    </dl>
    ${part.decided_by && html`<p class="by" data-testid="decided-by">Answered by ${part.decided_by.name}</p>`}
  </div>`;
});
