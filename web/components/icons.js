/** The page's icons: line drawings that take the colour and size of the text around them. */
import { html } from "/web/components/html.js";

export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">${ICONS[name]}</svg>`;
}

/** A button that shows only an icon; its label is for screen readers and as a tooltip. */
export function IconButton({ icon, label, class: classes = "quiet", ...rest }) {
  return html`<button type="button" class=${classes} aria-label=${label} title=${label} ...${rest}>
    <${Icon} name=${icon} />
  </button>`;
}

/** The sign this product is named after: hold, until the conductor lets go. */
export function Fermata({ state }) {
  return html`<svg class="fermata" data-state=${state} viewBox="0 0 32 24" aria-hidden="true" focusable="false">
    <path d="M3 20a13 13 0 0 1 26 0" /><circle cx="16" cy="18" r="2.6" />
  </svg>`;
}

const line = (d) => html`<path d=${d} />`;

const ICONS = {
  plus: line("M12 5v14M5 12h14"),
  menu: line("M4 7h16M4 12h16M4 17h10"),
  close: line("M6 6l12 12M18 6L6 18"),
  send: line("M12 19V5M6 11l6-6 6 6"),
  stop: html`<rect x="7" y="7" width="10" height="10" rx="2" fill="currentColor" />`,
  copy: line("M9 9h10v10H9zM15 9V5H5v10h4"),
  check: line("M5 12.5l4.5 4.5L19 7.5"),
  retry: line("M19 12a7 7 0 1 1-2.2-5.1M17 3v4h-4"),
  pencil: line("M5 19l1-4L16 5l3 3L9 18zM14 7l3 3"),
  reply: line("M10 7L5 12l5 5M5 12h9a5 5 0 0 1 5 5v1"),
  left: line("M14 7l-5 5 5 5"),
  right: line("M10 7l5 5-5 5"),
  down: line("M12 5v14M6 13l6 6 6-6"),
  tool: line("M14.5 6.5a4 4 0 0 0-5 5L4 17l3 3 5.5-5.5a4 4 0 0 0 5-5L15 12l-3-3z"),
  thought: line("M9 18h6M10 21h4M12 3a6 6 0 0 0-3.5 10.9V15h7v-1.1A6 6 0 0 0 12 3z"),
  inbox: line("M4 13h4l1.5 3h5l1.5-3h4M6.5 6h11L20 13v5H4v-5z"),
  external: line("M9 7H6v11h11v-3M13 5h6v6M19 5l-9 9"),
};
