/** PURE: a conversation is a tree of messages; a screen shows one path through it, the thread. */

/**
 * The path from the first message to a leaf: at each fork the chosen child, else the one with the newest descendant.
 * @param {object[]} messages oldest first
 * @param {Object<string, string>} choices parent id (or "" for the beginning) → id of the child to show
 * @returns {{message: object, siblings: string[]}[]}
 */
export function thread(messages, choices) {
  const children = byParent(messages);
  const newest = newestDescendants(messages);
  const path = [];
  for (let at = ""; children.has(at);) {
    const siblings = children.get(at);
    const message =
      siblings.find((sibling) => sibling.id === choices[at]) ??
      siblings.reduce((best, sibling) => (newest.get(sibling.id) >= newest.get(best.id) ? sibling : best));
    path.push({ message, siblings: siblings.map((sibling) => sibling.id) });
    at = message.id;
  }
  return path;
}

/** The messages with these put in the place of their older selves, or at the end. */
export function upsert(messages, ...newer) {
  const found = new Map(newer.filter(Boolean).map((message) => [message.id, message]));
  const replaced = messages.map((message) => {
    const instead = found.get(message.id) ?? message;
    found.delete(message.id);
    return instead;
  });
  return [...replaced, ...found.values()];
}

export const forkOf = (message) => message.parent_id ?? "";

function byParent(messages) {
  const known = new Set(messages.map((message) => message.id));
  const children = new Map();
  for (const message of messages) {
    const parent = known.has(message.parent_id) ? message.parent_id : "";
    children.set(parent, [...(children.get(parent) ?? []), message]);
  }
  return children;
}

/** For each message the position of its newest descendant. Children come after parents: one backward pass will do. */
function newestDescendants(messages) {
  const newest = new Map();
  for (let position = messages.length - 1; position >= 0; position--) {
    const { id, parent_id: parent } = messages[position];
    newest.set(id, Math.max(newest.get(id) ?? 0, position));
    newest.set(parent, Math.max(newest.get(parent) ?? 0, newest.get(id)));
  }
  return newest;
}
