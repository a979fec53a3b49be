/** Starts the page: draws it, reads what it needs, and keeps address and screen in step. */
import { effect } from "/web/vendor/signals.js";
import { render } from "/web/vendor/preact.js";
import { report } from "/web/actions.js";
import { api } from "/web/api.js";
import { openConversation, refreshList } from "/web/conversation.js";
import { App } from "/web/components/app.js";
import { html } from "/web/components/html.js";
import * as state from "/web/state.js";

const addressed = () => new URLSearchParams(location.search).get("c");

render(html`<${App} />`, document.getElementById("page"));
effect(() => {
  const told = [state.paused.value && "Waiting for you", state.title.value, "Fermata"];
  document.title = told.filter(Boolean).join(" · ");
});
addEventListener("popstate", () => openConversation(addressed()));
addEventListener("focus", refreshList);

openConversation(addressed());
refreshList();
try {
  state.agents.value = await api.agents();
  state.chosenAgent.value ??= state.agents.value[0]?.id ?? null;
} catch (problem) {
  report(problem);
}
