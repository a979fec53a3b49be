/** The inbox: what waits for a decision in all conversations, and what became of what waited earlier. */
import { useEffect, useRef, useState } from "/web/vendor/preact-hooks.js";
import { decideFromInbox, openCalls } from "/web/inbox.js";
import { toggle, wanted } from "/web/notifications.js";
import * as state from "/web/state.js";
import { ApprovalCard } from "/web/components/approval_card.js";
import { html } from "/web/components/html.js";
import { Fermata } from "/web/components/icons.js";
import { InboxHistory } from "/web/components/inbox_history.js";
import { leave, pressKey } from "/web/components/inbox_keys.js";
import { Notice } from "/web/components/notice.js";
import { Whence, isOwn, titleOf } from "/web/components/whence.js";

export function Inbox() {
  const [past, setPast] = useState(false);
  const [sought, setSought] = useState("");
  const frame = useRef(null);
  const items = state.inbox.value?.items.filter(matching(sought));
  useEffect(() => frame.current.focus({ preventScroll: true }), []);
  useEffect(() => {
    // What had the focus was decided elsewhere. Its neighbour must not get it: the next key may be meant for what left.
    if (document.activeElement === document.body) frame.current.focus({ preventScroll: true });
  }, [state.inbox.value]);
  const tab = (shown, label) => html`<button type="button" aria-pressed=${past === shown}
    onClick=${() => setPast(shown)}>${label}</button>`;
  return html`<section class="scroller inbox" id="inbox" ref=${frame} tabindex="-1" aria-label="Approvals"
    onKeyDown=${(event) => pressKey(event, frame.current)}>
    <div class="sheet">
      <div class="inbox-bar">
        <div class="tabs" role="group" aria-label="Which approvals">
          ${tab(false, "Waiting")}${tab(true, "History")}
        </div>
        <input type="search" placeholder="Filter by tool, agent or text" aria-label="Filter by tool, agent or text"
          value=${sought} onInput=${(event) => setSought(event.target.value)} />
        <button type="button" aria-pressed=${wanted.value} onClick=${toggle}>Notify me</button>
      </div>
      <${Notice} />
      ${
        past
          ? html`<${InboxHistory} matches=${matching(sought)} />`
          : html`<${Waiting} items=${items} sought=${sought} frame=${frame} />`
      }
    </div>
  </section>`;
}

function Waiting({ items, sought, frame }) {
  if (!items) return html`<p class="faint" role="status">Loading…</p>`;
  const leaving = state.deciding.value;
  const some = items.some(({ id }) => !leaving.includes(id));
  return html`${
    some
      ? html`<p class="hint keys" id="inbox-keys">
          <span><kbd>j</kbd> <kbd>k</kbd> move</span><span><kbd>a</kbd> approve, or answer</span><span><kbd>r</kbd> reject</span>
          <span><kbd>e</kbd> edit</span><span><kbd>Enter</kbd> open the conversation</span>
        </p>`
      : html`<div class="nothing">
          <${Fermata} state="still" />
          <p>${sought ? "Nothing that waits matches the filter." : "Nothing waits for your decision."}</p>
        </div>`
  }
    <ol class="waiting" aria-label="Waiting approvals" aria-describedby=${some ? "inbox-keys" : undefined}>
      ${items.map(
        (item) => html`<${Item} key=${item.id} item=${item} leaving=${leaving.includes(item.id)} frame=${frame} />`,
      )}
    </ol>`;
}

/** An approval with where it comes from. While it leaves it is hidden, not gone: if it comes back, it is as it was. */
function Item({ item, leaving, frame }) {
  const decide = (generation, body) => {
    leave(frame.current, item.id);
    return decideFromInbox(item.id, generation, body);
  };
  return html`<li class="item" tabindex="0" hidden=${leaving} data-testid="inbox-item" data-id=${item.id}
    data-conversation=${isOwn(item) ? item.conversation_id : undefined}>
    <${Whence} item=${item} />
    <${ApprovalCard} generation=${item.generation_id} approval=${{ ...item, calls: openCalls(item) }}
      decide=${decide} mine=${item.may_decide} />
  </li>`;
}

/** PURE: whether all words of a text are in what one sees of an approval. */
const matching = (sought) => (item) => {
  const calls = item.calls.map(({ name, reason, arguments: given }) => [name, reason, JSON.stringify(given)]);
  const questions = item.questions.map(({ text }) => text);
  const seen = [item.agent.name, item.owner.name, titleOf(item), ...questions, ...calls.flat()].join(" ").toLowerCase();
  return sought.toLowerCase().split(/\s+/).every((word) => seen.includes(word));
};
