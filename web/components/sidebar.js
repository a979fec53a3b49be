/** The list of conversations: open one, begin one. */
import { useEffect, useRef } from "/web/vendor/preact-hooks.js";
import { showConversation, showInbox } from "/web/actions.js";
import * as state from "/web/state.js";
import { html } from "/web/components/html.js";
import { Fermata, Icon } from "/web/components/icons.js";
import { visit } from "/web/components/visit.js";

export function Sidebar() {
  const open = state.drawerOpen.value;
  const first = useRef(null);
  useEffect(() => {
    if (!open) return undefined;
    first.current.focus();
    const close = (event) => event.key === "Escape" && (state.drawerOpen.value = false);
    addEventListener("keydown", close);
    return () => {
      removeEventListener("keydown", close);
      document.getElementById("menu").focus();
    };
  }, [open]);
  return html`<nav class="sidebar" id="sidebar" data-open=${open} aria-label="Conversations">
      <div class="brand"><${Fermata} state="still" /><span>Fermata</span></div>
      <a class="button new" ref=${first} href="/" onClick=${visit(() => showConversation(null))}>
        <${Icon} name="plus" />New chat
      </a>
      <${InboxLink} />
      <ul class="conversations">
        ${state.conversations.value.map((item) => html`<${Entry} key=${item.id} item=${item} />`)}
      </ul>
    </nav>
    <div class="shade" data-open=${open} onClick=${() => (state.drawerOpen.value = false)} />`;
}

function Entry({ item }) {
  const current = state.conversation.value === item.id;
  const status = current && state.view.value ? state.live.value && state.view.value.status : item.live?.status;
  const title = (current && state.title.value) || item.title || "New chat";
  return html`<li class="entry" data-current=${current}>
    <a href=${`/?c=${item.id}`} aria-current=${current ? "page" : undefined} title=${title}
      onClick=${visit(() => showConversation(item.id))}>
      <span class="title">${title}</span>
      ${
        status &&
        html`<span class="dot" data-status=${status}><span class="sr-only">${STATUS[status] ?? status}</span></span>`
      }
    </a>
  </li>`;
}

const STATUS = { queued: "queued", running: "running", requires_action: "waits for a decision" };

function InboxLink() {
  const count = state.waitingCount.value;
  return html`<a class="inbox-link" href="/?inbox" data-testid="inbox-link" onClick=${visit(showInbox)}
    aria-current=${state.screen.value === "inbox" ? "page" : undefined}>
    <${Icon} name="inbox" /><span class="title">Approvals</span>
    ${
      count &&
      html`<span class="count" data-testid="inbox-count">${count}<span class="sr-only"> waiting</span></span>`
    }
  </a>`;
}
