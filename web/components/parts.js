/** The parts of a message, each in its form. An error is no part of what was said: it stands at the end. */
import { told } from "/web/answers.js";
import { AnsweredCard } from "/web/components/answered_card.js";
import { html, memo } from "/web/components/html.js";
import { Icon } from "/web/components/icons.js";
import { Markdown } from "/web/components/markdown_view.js";
import { ToolCard } from "/web/components/tool_card.js";

/** @param asked ids of calls that an open approval shows; their cards would say the same twice */
export function Parts({ parts, growing, asked }) {
  return parts.map((part, position) => {
    if (part.type === "tool_call" && asked?.has(part.call_id)) return null;
    const show = FORMS[part.type];
    return show && html`<${show} key=${position} part=${part} growing=${growing && position === parts.length - 1} />`;
  });
}

const Text = memo(({ part, growing }) => html`<${Markdown} text=${part.text} growing=${growing} />`);

const Reasoning = memo(({ part, growing }) =>
  part.text
    ? html`<details class="card reasoning" data-testid="reasoning" data-growing=${growing}>
        <summary>
          <${Icon} name="thought" />
          <span class="name">${growing ? "Thinking…" : "Reasoning"}</span>
          <span class="glance">${growing ? "" : part.text.trim().split("\n")[0]}</span>
        </summary>
        <div class="body"><${Markdown} text=${part.text} growing=${growing} /></div>
      </details>`
    : null,
);

function Call({ part, growing }) {
  const answers = told(part);
  if (answers) return html`<${AnsweredCard} part=${part} answers=${answers} />`;
  return html`<${ToolCard} part=${part} growing=${growing} />`;
}

const FORMS = {
  text: Text,
  reasoning: Reasoning,
  tool_call: Call,
  steer: ({ part }) => html`<p class="steer"><span class="sr-only">Said meanwhile: </span>${part.text}</p>`,
};
