/** PURE: numbers, times and arguments as people read them. */

/** How long until a moment: "in 23 h 59 min", "in 4 min 10 s", "now". */
export function until(moment, now) {
  const seconds = Math.floor((new Date(moment) - now) / 1000);
  if (seconds <= 0) return "now";
  const [days, hours, minutes] = [seconds / 86400, (seconds / 3600) % 24, (seconds / 60) % 60].map(Math.floor);
  if (days >= 2) return `in ${days} days`;
  if (seconds >= 3600) return `in ${hours + 24 * days} h ${minutes} min`;
  if (seconds >= 60) return `in ${minutes} min ${seconds % 60} s`;
  return `in ${seconds} s`;
}

/** The time of day, with the date when it is not today. */
export function clock(moment, now = new Date()) {
  const at = new Date(moment);
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  if (at.toDateString() === now.toDateString()) return time;
  return `${at.toLocaleDateString([], { day: "numeric", month: "short" })}, ${time}`;
}

/** "0.8 s", "12 s", "3 min 20 s", "25 h 4 min". */
export function duration(milliseconds) {
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const [hours, minutes] = [seconds / 3600, (seconds / 60) % 60].map(Math.floor);
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${Math.floor(seconds % 60)} s`;
}

/** What an answer used: "1,204 tokens in · 88 out · $0.0031". A price that is unknown, or nothing, is left out. */
export function consumption(usage, cost) {
  if (!usage || !(usage.input_tokens || usage.output_tokens)) return null;
  const about = usage.estimated ? "≈ " : "";
  const told = [`${about}${count(usage.input_tokens)} tokens in`, `${about}${count(usage.output_tokens)} out`];
  if (cost) told.push(price(cost));
  return told.join(" · ");
}

function price(cost) {
  if (cost < 0.0001) return "less than $0.0001";
  return `$${cost < 0.01 ? cost.toFixed(4) : cost.toFixed(2)}`;
}

export const count = (number) => number.toLocaleString("en-US");

/** Arguments for reading: JSON with indentation; a fragment or a text stays what it is. */
export function pretty(value) {
  return typeof value === "string" ? value : JSON.stringify(value ?? {}, null, 2);
}

/** Arguments on one short line: `city: "Oslo", days: 3`. */
export function brief(value, length = 80) {
  if (typeof value === "string") return cut(value, length);
  const pairs = Object.entries(value ?? {}).map(([key, entry]) => `${key}: ${JSON.stringify(entry)}`);
  return cut(pairs.join(", "), length);
}

const cut = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);
