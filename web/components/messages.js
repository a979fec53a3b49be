/** The thread on screen. It follows a growing answer only while the reader is at its end. */
import { useEffect, useRef, useState } from "/web/vendor/preact-hooks.js";
import * as state from "/web/state.js";
import { html } from "/web/components/html.js";
import { Icon } from "/web/components/icons.js";
import { Answer, Ending, UserMessage } from "/web/components/message.js";

const NEAR = 64; // pixels from the end that still count as being there

export function Messages() {
  const { frame, content, away, onScroll, toEnd } = useFollowing(state.conversation.value);
  const view = state.view.value;
  const path = state.shown.value;
  return html`<div class="scroller" ref=${frame} onScroll=${onScroll} tabindex="-1">
    <ol class="thread" ref=${content} aria-label="Messages" aria-busy=${state.live.value && !state.paused.value}>
      ${path.map(({ message, siblings }, index) => {
        const place = { position: siblings.indexOf(message.id), count: siblings.length };
        if (message.role === "user") return html`<${UserMessage} key=${message.id} message=${message} ...${place} />`;
        const question = index > 0 ? path[index - 1].message : null;
        const writing = view?.message?.id === message.id ? view : null;
        const last = index === path.length - 1;
        return html`<${Answer} key=${message.id} ...${{ message, question, view: writing, last, ...place }} />`;
      })}
      ${
        view?.outcome &&
        !view.message &&
        html`<li class="message answer"><${Ending} outcome=${view.outcome} error=${view.error} /></li>`
      }
    </ol>
    ${away && html`<button type="button" class="jump" onClick=${toEnd}><${Icon} name="down" />Jump to the end</button>`}
  </div>`;
}

/** Keep the end in sight while the content grows, unless the reader has scrolled away from it. */
function useFollowing(conversation) {
  const frame = useRef(null);
  const content = useRef(null);
  const following = useRef(true);
  const [away, setAway] = useState(false);
  const toEnd = () => {
    following.current = true;
    frame.current?.scrollTo(0, frame.current.scrollHeight); // gone already when the page turned in the same moment
  };
  const onScroll = ({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
    following.current = scrollHeight - scrollTop - clientHeight < NEAR;
    setAway(!following.current);
  };
  useEffect(() => {
    toEnd();
    const growth = new ResizeObserver(() => following.current && toEnd());
    growth.observe(content.current);
    growth.observe(frame.current); // a notice above the composer makes the frame lower
    return () => growth.disconnect();
  }, [conversation]);
  return { frame, content, away, onScroll, toEnd };
}
