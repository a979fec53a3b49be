/** One tool call: its name, arguments, where it stands, who decided, and what came back. */
import { useState } from "/web/vendor/preact-hooks.js";
import { brief } from "/web/format.js";
import { Arguments } from "/web/components/arguments.js";
import { html, memo } from "/web/components/html.js";
import { Icon } from "/web/components/icons.js";
import { CopyButton } from "/web/components/markdown_view.js";

const LONG_OUTPUT = 1200; // characters; longer ones are folded
const SHORT_OUTPUT = 140; // characters; shorter ones are shown without opening the card

export const ToolCard = memo(({ part }) => {
  const glance =
    part.output && part.output.length <= SHORT_OUTPUT && !part.output.trim().includes("\n") ? part.output : null;
  return html`<details class="card tool" data-testid="tool-card" data-call=${part.call_id} data-status=${part.status}>
    <summary>
      <${Icon} name="tool" />
      <span class="name">${part.name}</span>
      <span class="glance">${brief(part.arguments)}</span>
      <${Status} status=${part.status} />
      ${glance && html`<span class="result">${glance}</span>`}
      ${part.decided_by && html`<span class="by" data-testid="decided-by">Decided by ${part.decided_by.name}</span>`}
    </summary>
    <div class="body">
      <h4>Arguments</h4>
      <${Arguments} value=${part.arguments} />
      ${part.reason && html`<p class="faint">Reason: ${part.reason}</p>`}
      ${part.output && html`<${Output} text=${part.output} wrong=${part.is_error} />`}
    </div>
  </details>`;
});

export function Status({ status }) {
  return html`<span class="status" data-testid="tool-status" data-status=${status}>${STATUS[status] ?? status}</span>`;
}

const STATUS = {
  pending: "Pending",
  approved: "Approved",
  rejected: "Rejected",
  expired: "Expired",
  denied: "Not allowed",
  running: "Running",
  completed: "Done",
  failed: "Failed",
  unknown: "Outcome unknown",
};

function Output({ text, wrong }) {
  const [all, showAll] = useState(false);
  const long = text.length > LONG_OUTPUT;
  const shown = long && !all ? `${text.slice(0, LONG_OUTPUT)}…` : text;
  return html`<div class="output">
    <h4>${wrong ? "Error" : "Output"}<${CopyButton} text=${text} label="Copy output" /></h4>
    <pre class="raw" tabindex="0" data-testid="tool-output">${shown}</pre>
    ${
      long &&
      html`<button type="button" class="link" aria-expanded=${all} onClick=${() => showAll(!all)}>
        ${all ? "Show less" : `Show all ${text.length.toLocaleString("en-US")} characters`}
      </button>`
    }
  </div>`;
}
