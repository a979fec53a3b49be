/** PURE: the view of one generation as the fold of its events. Computes the same as `domain/view.py`, which rules.
 *
 * Values are never changed in place: what an event does not touch keeps its identity, so that a screen can tell by
 * `===` what to draw again. A delta costs one new part, one array of parts, one message and one view.
 */

/**
 * The view after one more event.
 * @param {object|null} view
 * @param {{type: string}} event a log event, or the control frames `snapshot` and `gap`
 * @param {number|null} seq the event's number in the log
 */
export function fold(view, event, seq) {
  if (event.type === "snapshot") return { ...event.view, cursor: event.cursor };
  if (event.type === "generation.started") view = begin(event);
  if (view === null || seq === null) return view;
  const step = STEPS[event.type];
  return { ...(step ? step(view, event) : view), cursor: seq };
}

const STEPS = {
  "turn.started": spoken((view) => withParts(view, partsOf(view).slice(0, view.turn_offset))),
  "text.delta": spoken((view, { part, text }) =>
    withPart(view, part, (old) => ({ type: "text", text: old?.type === "text" ? old.text + text : text })),
  ),
  "reasoning.delta": spoken((view, { part, text }) =>
    withPart(view, part, (old) => ({
      type: "reasoning",
      text: old?.type === "reasoning" ? old.text + text : text,
      signature: null,
    })),
  ),
  "tool_call.started": spoken((view, { part, call_id, name }) =>
    withPart(view, part, () => ({ ...CALL, call_id, name })),
  ),
  "tool_call.delta": spoken((view, { part, arguments: fragment }) => {
    const old = partsOf(view)[view.turn_offset + part];
    if (old?.type !== "tool_call" || typeof old.arguments !== "string") return view; // never opened, or already whole
    return withPart(view, part, () => ({ ...old, arguments: old.arguments + fragment }));
  }),
  "turn.completed": spoken((view, { parts }) =>
    withParts(view, [...partsOf(view).slice(0, view.turn_offset), ...parts]),
  ),

  "approval.requested": (view, { approval }) => {
    const asked = approval.calls.map((call) => {
      const changes = { status: "pending", reason: call.reason };
      return [call.call_id, call.arguments === null ? changes : { ...changes, arguments: call.arguments }];
    });
    const others = view.approvals.filter(({ id }) => id !== approval.id); // the record may have told of it
    return { ...withCalls(view, Object.fromEntries(asked)), approvals: [...others, approval] };
  },
  "approval.decided": decided,
  "approval.voted": (view, { approval_id, call_id, by, at }) => ({
    ...view,
    approvals: view.approvals.map((known) =>
      known.id === approval_id ? { ...known, votes: [...(known.votes ?? []), { call_id, by, at }] } : known,
    ),
  }),
  "approval.extended": (view, { approval_id, expires_at }) => ({
    ...view,
    approvals: view.approvals.map((known) => (known.id === approval_id ? { ...known, expires_at } : known)),
  }),
  "approval.expired": (view, { approval_id }) => {
    const calls = view.approvals.filter(({ id }) => id === approval_id).flatMap((approval) => approval.calls);
    const expired = calls.map((call) => [call.call_id, { status: "expired" }]);
    return {
      ...withCalls(view, Object.fromEntries(expired)),
      approvals: view.approvals.filter(({ id }) => id !== approval_id),
    };
  },
  "generation.paused": (view) => ({ ...view, status: "requires_action" }),
  "generation.resumed": (view) => ({ ...view, status: "running" }),

  "tool.started": (view, { call_id, arguments: shown }) =>
    withCalls(view, { [call_id]: { status: "running", arguments: shown } }),
  "tool.completed": (view, { call_id, status, output, is_error, artifacts }) =>
    withCalls(view, { [call_id]: { status, output, is_error, artifacts } }),

  "usage.updated": (view, { generation: { cost, ...usage } }) => ({ ...view, usage, cost }),
  "title.updated": (view, { title }) => ({ ...view, title }),

  "steer.queued": (view, { id, text, position }) => ({ ...view, steers: [...view.steers, { id, text, position }] }),
  "steer.applied": (view, { id, text }) =>
    withParts(withoutSteer(view, id), [...partsOf(view), { type: "steer", text }]),
  "steer.cancelled": (view, { id }) => withoutSteer(view, id),
  "steer.returned": (view, { id }) => withoutSteer(view, id),

  "generation.finished": (view, { outcome, error, finished_at, message, user_message, title, usage, cost }) => ({
    ...view,
    status: outcome,
    outcome,
    error,
    finished_at,
    message,
    user_message,
    title,
    usage,
    cost,
    approvals: [],
    steers: [],
  }),
};

/** Any event of a turn may be the first of it that is seen, and an older turn may be told again: see `domain/view.py`. */
function spoken(step) {
  return (view, event) => {
    if (event.turn < view.turn) return view;
    const begun = event.turn === view.turn ? {} : { turn: event.turn, turn_offset: partsOf(view).length };
    return step({ ...view, ...begun }, event);
  };
}

function begin(event) {
  const user_message = event.user_message ?? null;
  return {
    id: event.generation_id,
    conversation_id: event.conversation_id,
    agent: event.agent,
    status: "running",
    outcome: null,
    error: null,
    created_at: event.created_at,
    started_at: event.started_at,
    finished_at: null,
    turn: 0,
    turn_offset: 0,
    message: response(event, user_message),
    user_message,
    approvals: [],
    title: null,
    usage: { input_tokens: 0, output_tokens: 0, cached_tokens: 0, reasoning_tokens: 0, estimated: false },
    cost: 0,
    context: null,
    auth_requests: [],
    steers: [],
    cursor: 0,
    temporal_url: event.temporal_url ?? null,
  };
}

function response(event, user_message) {
  return {
    id: event.response_message_id,
    parent_id: user_message?.id ?? null,
    role: "assistant",
    parts: [],
    unfinished: true,
    error: null,
    usage: null,
    cost: null,
    created_at: event.started_at,
    generation_id: event.generation_id,
    attachments: [],
    metadata: {},
  };
}

/** Note the decision on the call, and take the call, then the approval, off the list of what waits. */
function decided(view, { approval_id, call_id, decision, by, reason, arguments: edited }) {
  const change = {
    status: decision === "reject" ? "rejected" : "approved",
    decided_by: by,
    ...((reason ?? null) !== null && { reason }),
    ...((edited ?? null) !== null && { arguments: edited }),
  };
  const approvals = view.approvals
    .map((approval) =>
      approval.id === approval_id
        ? { ...approval, calls: without(approval.calls, call_id), votes: without(approval.votes, call_id) }
        : approval,
    )
    .filter(({ calls }) => calls.length);
  return { ...withCalls(view, { [call_id]: change }), approvals };
}

const CALL = {
  type: "tool_call",
  arguments: "",
  status: "pending",
  output: null,
  is_error: null,
  reason: null,
  artifacts: [],
  decided_by: null,
};

const without = (list, id) => (list ?? []).filter(({ call_id }) => call_id !== id);
const partsOf = (view) => view.message?.parts ?? [];
const withParts = (view, parts) => (view.message === null ? view : { ...view, message: { ...view.message, parts } });
const withoutSteer = (view, id) => ({ ...view, steers: view.steers.filter((steer) => steer.id !== id) });

/** Replace, or append, the part of this number in the current turn; those before it stay empty if they were lost. */
function withPart(view, number, change) {
  const parts = partsOf(view).slice();
  const position = view.turn_offset + number;
  while (parts.length < position) parts.push({ type: "text", text: "" });
  parts[position] = change(parts[position]);
  return withParts(view, parts);
}

function withCalls(view, changes) {
  const changed = partsOf(view).map((part) =>
    part.type === "tool_call" && changes[part.call_id] ? { ...part, ...changes[part.call_id] } : part,
  );
  return withParts(view, changed);
}
