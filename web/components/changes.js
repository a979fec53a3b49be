/** What an edit changes about the arguments that were asked for: per name, what goes and what comes. */
import { changes } from "/web/decisions.js";
import { html } from "/web/components/html.js";

export function Changes({ before, after }) {
  const found = changes(before, after);
  if (!found.length) return null;
  return html`<section class="changes" aria-label="What you change" data-testid="changes">
    <h4>You change</h4>
    <dl class="arguments">
      ${found.map(
        ({ name, head, removed, added, tail }) => html`<div key=${name}>
          <dt>${name}</dt>
          <dd>${head}${removed && html`<del>${removed}</del>`}${added && html`<ins>${added}</ins>`}${tail}</dd>
        </div>`,
      )}
    </dl>
  </section>`;
}
