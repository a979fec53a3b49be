/** The line above the thread: its title, how the connection is, and the way to the job behind the answer. */
import * as state from "/web/state.js";
import { html } from "/web/components/html.js";
import { Icon, IconButton } from "/web/components/icons.js";

export function TopBar() {
  const inbox = state.screen.value === "inbox";
  const connection = inbox ? (state.inbox.value?.connection ?? "connecting") : state.connection.value;
  const open = state.drawerOpen.value;
  const job = state.view.value?.temporal_url;
  return html`<header class="topbar">
    <${IconButton} id="menu" class="quiet menu" icon="menu" label="Conversations" aria-controls="sidebar"
      data-waiting=${state.waiting.value.length > 0} aria-expanded=${open}
      onClick=${() => (state.drawerOpen.value = !open)} />
    <h1>${inbox ? "Approvals" : (state.title.value ?? (state.conversation.value ? "Conversation" : "New chat"))}</h1>
    <span class="connection" role="status" data-testid="connection" data-state=${connection}>
      ${CONNECTION[connection]}
    </span>
    ${
      job?.startsWith("http") &&
      html`<a class="job" href=${job} target="_blank" rel="noopener noreferrer" title="See this job in Temporal">
        <span class="wide">Temporal</span><${Icon} name="external" />
        <span class="sr-only">job of this answer (opens a new tab)</span>
      </a>`
    }
  </header>`;
}

const CONNECTION = {
  idle: "",
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  offline: "Offline",
};
