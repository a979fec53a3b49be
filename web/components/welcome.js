/** A new chat: who answers, and where one could begin. */
import { sendMessage } from "/web/actions.js";
import * as state from "/web/state.js";
import { suggestionsFor } from "/web/suggestions.js";
import { html } from "/web/components/html.js";
import { Fermata } from "/web/components/icons.js";

export function Welcome() {
  const agent = state.agents.value.find(({ id }) => id === state.chosenAgent.value);
  const suggestions = suggestionsFor(agent);
  return html`<section class="welcome" data-testid="welcome">
    <${Fermata} state="still" />
    <h2>What shall we work on?</h2>
    <p>${agent?.description || "Answers survive anything, and wait for you before they act."}</p>
    <ul>
      ${suggestions.map(
        ({ label, text }) => html`<li key=${text}>
          <button type="button" onClick=${() => sendMessage(text)}>
            <strong>${label}</strong><span>${text}</span>
          </button>
        </li>`,
      )}
    </ul>
  </section>`;
}
