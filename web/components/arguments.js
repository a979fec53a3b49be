/** A call's arguments as a person reads them: texts as text, everything else as JSON. Nothing is left out or cut. */
import { pretty } from "/web/format.js";
import { html } from "/web/components/html.js";

export function Arguments({ value }) {
  if (value === null || typeof value !== "object")
    return html`<pre class="raw" tabindex="0">${pretty(value ?? "")}</pre>`;
  const entries = Object.entries(value);
  if (!entries.length) return html`<p class="faint">No arguments</p>`;
  return html`<dl class="arguments" data-testid="arguments">
    ${entries.map(
      ([name, entry]) => html`<div key=${name}>
        <dt>${name}</dt>
        <dd>${typeof entry === "string" ? entry : html`<code>${pretty(entry)}</code>`}</dd>
      </div>`,
    )}
  </dl>`;
}
