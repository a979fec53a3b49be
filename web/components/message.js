/** One message of the thread: what the user said, or an answer with its approvals, its end and its footer. */
import { useState } from "/web/vendor/preact-hooks.js";
import { clock, consumption, duration } from "/web/format.js";
import { regenerate, resendMessage, switchBranch } from "/web/actions.js";
import { ApprovalCard } from "/web/components/approval_card.js";
import { focus } from "/web/components/focus.js";
import { html, memo } from "/web/components/html.js";
import { Fermata, IconButton } from "/web/components/icons.js";
import { CopyButton } from "/web/components/markdown_view.js";
import { Parts } from "/web/components/parts.js";

/** @param position,count where this message stands among its siblings */
export const UserMessage = memo(({ message, position, count }) => {
  const [editing, setEditing] = useState(false);
  const text = textOf(message);
  if (editing) return html`<${EditMessage} message=${message} text=${text} onDone=${() => setEditing(false)} />`;
  return html`<li class="message user" data-testid="user-message" data-message=${message.id}>
    <h2 class="sr-only">You</h2>
    <div class="said">${text}</div>
    <div class="tools">
      <${Branches} message=${message} position=${position} count=${count} />
      <${IconButton} icon="pencil" label="Edit and send again" onClick=${() => setEditing(true)} />
      <${CopyButton} text=${text} label="Copy message" />
    </div>
  </li>`;
});

/** @param view the generation that writes or wrote this answer, if it is the newest one */
export const Answer = memo(({ message, question, view, last, position, count }) => {
  const running = view !== null && view.outcome === null;
  const approvals = view?.approvals ?? [];
  const asked = new Set(approvals.flatMap((approval) => approval.calls.map((call) => call.call_id)));
  const growing = running && view.status === "running";
  const status = view?.status ?? (message.unfinished ? "aborted" : "completed"); // an old message does not tell why
  return html`<li class="message answer" data-testid="answer" data-message=${message.id} data-status=${status}>
    <h2 class="sr-only">Answer</h2>
    <${Parts} parts=${message.parts} growing=${growing} asked=${asked} />
    ${approvals.map(
      (approval) => html`<${ApprovalCard} key=${approval.id} generation=${view.id} approval=${approval} />`,
    )}
    ${growing && html`<p class="working"><${Fermata} state="working" /><span class="sr-only">Working</span></p>`}
    ${!running && html`<${Ending} outcome=${status} error=${message.error ?? view?.error} />`}
    ${!running && html`<${Footer} ...${{ message, question, view, last, position, count }} />`}
  </li>`;
});

/** How an answer ended, where it did not simply end. */
export function Ending({ outcome, error }) {
  if (error) return html`<p class="outcome" data-tone="problem" data-testid="outcome">${error.message}</p>`;
  return ENDINGS[outcome] ? html`<p class="outcome" data-testid="outcome">${ENDINGS[outcome]}</p>` : null;
}

const ENDINGS = {
  failed: "The answer failed.",
  aborted: "Stopped before it was complete.",
  expired: "Ended, because nobody decided in time.",
  replaced: "Replaced by a newer message.",
};

function Footer({ message, question, view, last, position, count }) {
  const text = textOf(message);
  const took = view?.finished_at && view.started_at ? new Date(view.finished_at) - new Date(view.started_at) : null;
  const used = consumption(message.usage ?? view?.usage, message.usage ? message.cost : view?.cost);
  return html`<div class="tools">
    <${Branches} message=${message} position=${position} count=${count} />
    ${text && html`<${CopyButton} text=${text} label="Copy answer" />`}
    ${
      last &&
      question &&
      html`<${IconButton} icon="retry" label="Answer again" onClick=${() => regenerate(question)} />`
    }
    <span class="facts" data-testid="usage">
      ${[clock(message.created_at), took !== null && duration(took), used].filter(Boolean).join(" · ")}
    </span>
  </div>`;
}

/** Other versions of the same message, one step away. */
function Branches({ message, position, count }) {
  if (count < 2) return null;
  return html`<span class="branches" role="group" aria-label="Versions">
    <${IconButton} icon="left" label="Previous version" disabled=${position === 0}
      onClick=${() => switchBranch(message, -1)} />
    <span aria-label=${`Version ${position + 1} of ${count}`}>${position + 1} / ${count}</span>
    <${IconButton} icon="right" label="Next version" disabled=${position === count - 1}
      onClick=${() => switchBranch(message, 1)} />
  </span>`;
}

function EditMessage({ message, text, onDone }) {
  const [draft, setDraft] = useState(text);
  const send = (event) => {
    event.preventDefault();
    if (!draft.trim()) return;
    onDone();
    resendMessage(message, draft.trim());
  };
  const keys = (event) => {
    if (event.key === "Escape") onDone();
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
  };
  return html`<li class="message user">
    <form class="decide" onSubmit=${send}>
      <textarea aria-label="Edit message" rows="3" ref=${focus} value=${draft} onKeyDown=${keys}
        onInput=${(event) => setDraft(event.target.value)} />
      <div class="row end">
        <button type="button" onClick=${onDone}>Cancel</button>
        <button class="primary">Send again</button>
      </div>
    </form>
  </li>`;
}

const textOf = (message) =>
  message.parts
    .filter((part) => part.type === "text")
    .map((part) => part.text)
    .join("\n\n");
