/** Starts the page: draws it, reads what it needs, and keeps address and screen in step. */
import { effect } from "/web/vendor/signals.js";
import { render } from "/web/vendor/preact.js";
import { report } from "/web/actions.js";
import { api } from "/web/api.js";
import { openConversation, openInbox, refreshList } from "/web/conversation.js";
import { mayDecide } from "/web/decisions.js";
import { watchInbox } from "/web/inbox.js";
import { watchWaiting } from "/web/notifications.js";
import { App } from "/web/components/app.js";
import { html } from "/web/components/html.js";
import * as state from "/web/state.js";

const LIST_INTERVAL = 5_000; // milliseconds; only while something goes on in a conversation that is not on screen

function openAddressed() {
  const address = new URLSearchParams(location.search);
  if (address.has("inbox")) openInbox();
  else openConversation(address.get("c"));
}

render(html`<${App} />`, document.getElementById("page"));
effect(() => {
  const shown = state.screen.value === "inbox" ? "Approvals" : state.title.value;
  const mine = state.view.value?.approvals.some((approval) => mayDecide(approval, state.me.value));
  const waits = state.paused.value && `Waiting for ${mine ? "you" : "others"}`;
  const told = [waits, shown, "Fermata"].filter(Boolean).join(" · ");
  const count = state.waitingCount.value;
  document.title = count ? `(${count}) ${told}` : told;
});
addEventListener("popstate", openAddressed);
addEventListener("focus", refreshList);
setInterval(() => {
  const busyElsewhere = state.conversations.value.some((item) => item.live && item.id !== state.conversation.value);
  if (busyElsewhere && !document.hidden) refreshList();
}, LIST_INTERVAL);

openAddressed();
refreshList();
watchWaiting();
watchInbox().catch(report);
try {
  state.agents.value = await api.agents();
  state.chosenAgent.value ??= state.agents.value[0]?.id ?? null;
} catch (problem) {
  report(problem);
}
