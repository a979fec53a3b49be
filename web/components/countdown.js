/** The time left until a deadline, told once a second for as long as it is on screen. */
import { useEffect, useState } from "/web/vendor/preact-hooks.js";
import { until } from "/web/format.js";
import { html } from "/web/components/html.js";

export function Countdown({ to }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const close = new Date(to) - now < 10 * 60_000;
  const deadline = new Date(to).toLocaleString();
  return html`<time class="countdown" role="timer" dateTime=${to} data-close=${close} title=${deadline}>
    expires ${until(to, now)}
  </time>`;
}
