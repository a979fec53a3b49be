/** Where an approval comes from: which conversation, which agent asks and for whom, and since when. */
import { showConversation } from "/web/actions.js";
import { clock } from "/web/format.js";
import * as state from "/web/state.js";
import { html } from "/web/components/html.js";
import { visit } from "/web/components/visit.js";

export function Whence({ item }) {
  const { conversation_id, agent, owner, created_at } = item;
  return html`<div class="whence">
    <h2><a href=${`/?c=${conversation_id}`} onClick=${visit(() => showConversation(conversation_id))}>
      ${titleOf(item)}
    </a></h2>
    <span>${agent.name} asks, for ${owner.name}</span>
    <time dateTime=${created_at}>${clock(created_at)}</time>
  </div>`;
}

/** A title is often made while the approval waits already, and then the list of conversations knows it. */
export const titleOf = ({ conversation_id, title }) =>
  title ?? state.conversations.value.find(({ id }) => id === conversation_id)?.title ?? "Untitled conversation";
