/** The list of conversations: open one, begin one. */
import { useEffect, useRef } from "/web/vendor/preact-hooks.js";
import { showConversation } from "/web/actions.js";
import * as state from "/web/state.js";
import { html } from "/web/components/html.js";
import { Fermata, Icon } from "/web/components/icons.js";

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
      <a class="button new" ref=${first} href="/" onClick=${visit(null)}><${Icon} name="plus" />New chat</a>
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
    <a href=${`/?c=${item.id}`} aria-current=${current ? "page" : undefined} title=${title} onClick=${visit(item.id)}>
      <span class="title">${title}</span>
      ${
        status &&
        html`<span class="dot" data-status=${status}><span class="sr-only">${STATUS[status] ?? status}</span></span>`
      }
    </a>
  </li>`;
}

const STATUS = { queued: "queued", running: "running", requires_action: "waits for a decision" };

/** Follow a link inside the page; with a modifier key the browser does what it always does. */
function visit(id) {
  return (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    showConversation(id);
  };
}
