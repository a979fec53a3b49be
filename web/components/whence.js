/** Where an approval comes from: which conversation, which agent asks and for whom, and since when. */
import { showConversation } from "/web/actions.js";
import { clock } from "/web/format.js";
import * as state from "/web/state.js";
import { html } from "/web/components/html.js";
import { visit } from "/web/components/visit.js";

export function Whence({ item }) {
  const { conversation_id, agent, owner, created_at } = item;
  const open = visit(() => showConversation(conversation_id));
  return html`<div class="whence">
    <h2>${isOwn(item) ? html`<a href=${`/?c=${conversation_id}`} onClick=${open}>${titleOf(item)}</a>` : titleOf(item)}</h2>
    <span>${agent.name} asks, for ${owner.name}</span>
    <time dateTime=${created_at}>${clock(created_at)}</time>
  </div>`;
}

/** A title is often made while the approval waits already, and then the list of conversations knows it. */
export const titleOf = (item) => {
  if (!isOwn(item)) return `A conversation of ${item.owner.name}`;
  const known = state.conversations.value.find(({ id }) => id === item.conversation_id);
  return item.title ?? known?.title ?? "Untitled conversation";
};

/** Whether the person at the screen can open the conversation; another's is not shown to who only decides in it. */
export const isOwn = ({ owner }) => owner.id === state.me.value?.id;
