/** Approvals that wait no more: what was decided on each call, by whom and when; or why nobody did. */
import { useEffect, useState } from "/web/vendor/preact-hooks.js";
import { report } from "/web/actions.js";
import { api } from "/web/api.js";
import { brief, clock } from "/web/format.js";
import * as state from "/web/state.js";
import { Arguments } from "/web/components/arguments.js";
import { html } from "/web/components/html.js";
import { Icon } from "/web/components/icons.js";
import { Whence } from "/web/components/whence.js";

export function InboxHistory({ matches }) {
  const [page, setPage] = useState(null);
  const load = async (before) => {
    try {
      const more = await api.settledApprovals(before);
      setPage((known) => (before ? { items: [...known.items, ...more.items], next: more.next } : more));
    } catch (problem) {
      report(problem);
    }
  };
  useEffect(() => void load(null), [state.inbox.value?.items]); // what waits no more is here
  if (!page) return html`<p class="faint" role="status">Loading…</p>`;
  const items = page.items.filter(matches);
  return html`${!items.length && html`<p class="faint">Nothing to show here.</p>`}
    <ol class="past" aria-label="Earlier approvals">
      ${items.map(
        (item) => html`<li key=${item.id} data-testid="past-approval">
          <${Whence} item=${item} />
          ${item.calls.map((call) => html`<${PastCall} key=${call.call_id} item=${item} call=${call} />`)}
        </li>`,
      )}
    </ol>
    ${page.next && html`<button type="button" onClick=${() => load(page.next)}>Show earlier ones</button>`}`;
}

function PastCall({ item, call }) {
  const lines = item.receipt.decided.filter(({ call_id }) => call_id === call.call_id);
  const open = item.receipt.remaining.includes(call.call_id); // approved by too few
  const status = open ? item.status : lines.at(-1).decision;
  const why = item.status === "expired" && item.escalation ? `Passed on to ${item.escalation.to.join(" or ")}` : WHY[status];
  const by = lines.map(({ by, at }) => `${by.name}, ${clock(at)}`).join("; ");
  return html`<details class="card past-call" data-status=${status}>
    <summary>
      <${Icon} name=${item.questions.length ? "reply" : "tool"} />
      <span class="name">${call.name}</span>
      <span class="glance">${item.questions.map(({ text }) => text).join(" ") || brief(call.arguments)}</span>
      <span class="status" data-status=${COLOUR[status]}>${STATUS[status]}</span>
      <span class="by" data-testid="decided-by">${open ? why : `By ${by}`}</span>
    </summary>
    <div class="body">
      <p class="faint">As it was shown:</p>
      ${item.questions.length ? html`<${Asked} questions=${item.questions} />` : html`<${Arguments} value=${call.arguments} />`}
    </div>
  </details>`;
}

function Asked({ questions }) {
  return html`<dl class="arguments">
    ${questions.map(
      ({ id, text, options }) => html`<div key=${id}>
        <dt>${text}</dt>
        <dd>${options.map(({ label }) => label).join(" · ") || "(in one's own words)"}</dd>
      </div>`,
    )}
  </dl>`;
}

const STATUS = {
  approve: "Approved",
  edit: "Edited and approved",
  respond: "Answered",
  reject: "Rejected",
  answer: "Answered",
  expired: "Expired",
  closed: "Closed",
};
const COLOUR = { approve: "approved", edit: "approved", respond: "approved", answer: "approved", reject: "rejected", expired: "expired" };
const WHY = { expired: "Nobody decided in time", closed: "The answer ended before a decision" };
