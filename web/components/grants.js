/** What is not asked about any more in this conversation, and the way back. */
import { refreshGrants } from "/web/conversation.js";
import { api } from "/web/api.js";
import { report } from "/web/actions.js";
import * as state from "/web/state.js";
import { html } from "/web/components/html.js";

export function Grants() {
  const grants = state.grants.value;
  if (!grants.length) return null;
  return html`<details class="grants" data-testid="grants">
    <summary>Not asked about here: ${grants.map(({ tool }) => tool).join(", ")}</summary>
    <ul>
      ${grants.map(
        ({ tool, by }) => html`<li key=${tool}>
          <span><code>${tool}</code> always allowed by ${by.name}</span>
          <button type="button" class="quiet" onClick=${() => revoke(tool)}>Ask again about ${tool}</button>
        </li>`,
      )}
    </ul>
  </details>`;
}

async function revoke(tool) {
  try {
    await api.revoke(state.conversation.value, tool);
    await refreshGrants();
    state.announcement.value = `You will be asked about ${tool} again.`;
  } catch (problem) {
    report(problem);
  }
}
