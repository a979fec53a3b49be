/** The page's one notice: a sentence about what went wrong, until it is dismissed or the page turns. */
import * as state from "/web/state.js";
import { html } from "/web/components/html.js";
import { IconButton } from "/web/components/icons.js";

export function Notice() {
  const notice = state.notice.value;
  return html`<div role="alert" data-testid="notice">
    ${
      notice &&
      html`<div class="notice" data-tone=${notice.tone}>
        <p>${notice.text}</p>
        <${IconButton} icon="close" label="Dismiss" onClick=${() => (state.notice.value = null)} />
      </div>`
    }
  </div>`;
}
