/** The whole page. */
import * as state from "/web/state.js";
import { Composer } from "/web/components/composer.js";
import { Grants } from "/web/components/grants.js";
import { html } from "/web/components/html.js";
import { Inbox } from "/web/components/inbox.js";
import { Messages } from "/web/components/messages.js";
import { Sidebar } from "/web/components/sidebar.js";
import { TopBar } from "/web/components/topbar.js";
import { Welcome } from "/web/components/welcome.js";

export function App() {
  const inbox = state.screen.value === "inbox";
  return html`${
    inbox
      ? html`<a class="skip" href="#inbox">Skip to the approvals</a>`
      : html`<a class="skip" href="#message">Skip to the message box</a>`
  }
    <${Sidebar} />
    <main>
      <${TopBar} />
      ${inbox ? html`<${Inbox} />` : html`<${Conversation} />`}
      <p class="sr-only" role="status" aria-live="polite" data-testid="announcement">${state.announcement.value}</p>
    </main>`;
}

function Conversation() {
  const empty = state.conversation.value === null && state.shown.value.length === 0;
  return html`${empty ? html`<${Welcome} />` : html`<${Messages} />`}<${Grants} /><${Composer} />`;
}
