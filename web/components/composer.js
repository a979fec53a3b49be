/** Where one writes: the text, the agent it goes to, and the button that sends or stops. */
import { useEffect, useRef } from "/web/vendor/preact-hooks.js";
import { sendMessage, stop } from "/web/actions.js";
import * as state from "/web/state.js";
import { focusComposer } from "/web/components/focus.js";
import { html } from "/web/components/html.js";
import { IconButton } from "/web/components/icons.js";
import { Notice } from "/web/components/notice.js";

export function Composer() {
  const field = useRef(null);
  const text = state.draft.value;
  const live = state.live.value;
  const ready = text.trim().length > 0 && !state.loading.value;

  useEffect(focusComposer, [state.conversation.value]);
  useEffect(() => grow(field.current), [text]);

  const send = (event) => {
    event.preventDefault();
    if (ready) sendMessage(text.trim());
  };
  const keys = (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
  };
  return html`<form class="composer" onSubmit=${send} aria-label="New message">
    <${Notice} />
    <div class="box">
      <textarea id="message" ref=${field} rows="1" aria-label="Message" placeholder="Write a message" value=${text}
        aria-describedby="composer-hint" onKeyDown=${keys}
        onInput=${(event) => (state.draft.value = event.target.value)} />
      <div class="row">
        <${AgentSelect} />
        <span class="spacer" />
        ${live && html`<${IconButton} icon="stop" label="Stop" class="round stop" onClick=${stop} />`}
        ${
          (!live || ready) &&
          html`<${IconButton} type="submit" icon="send" label="Send" class="round primary" disabled=${!ready} />`
        }
      </div>
    </div>
    <p class="hint" id="composer-hint">${hint(live && ready, state.paused.value, state.view.value)}</p>
  </form>`;
}

function hint(interrupting, paused, view) {
  if (interrupting && paused && view.approvals.every(({ kind }) => kind === "question"))
    return "Answer the question above; sending here instead leaves it unanswered.";
  if (interrupting && paused) return "Sending now closes the open approval; its tools will not run.";
  if (interrupting) return "Sending now stops this answer and keeps what it has said so far.";
  return "Enter sends, Shift + Enter starts a new line.";
}

function AgentSelect() {
  const agents = state.agents.value;
  if (!agents.length) return null;
  return html`<label class="agent"><span class="sr-only">Agent</span>
    <select value=${state.chosenAgent.value} onChange=${(event) => (state.chosenAgent.value = event.target.value)}>
      ${agents.map((agent) => html`<option key=${agent.id} value=${agent.id}>${agent.name ?? agent.id}</option>`)}
    </select>
  </label>`;
}

/** As high as its text, up to the limit the style sheet sets. */
function grow(field) {
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}
