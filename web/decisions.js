/** PURE: from what a person chose on an approval to the request's body, and from a refusal to words for that person. */
import { clock } from "/web/format.js";

/**
 * @param {object} approval
 * @param {object[]} calls the calls still open
 * @param {Object<string, {decision: string, reason: string, arguments: string, text: string, always: boolean}>} choices
 * @returns {{body: object}|{errors: Object<string, {pointer: string|null, message: string}[]>}} by call id
 */
export function decisionBody(approval, calls, choices) {
  const errors = {};
  const decisions = calls.map(({ call_id }) => {
    const choice = choices[call_id];
    const always = choice.always && ["approve", "edit"].includes(choice.decision);
    const decided = { call_id, decision: choice.decision, scope: always ? "conversation" : "once" };
    if (choice.decision === "reject") return { ...decided, reason: choice.reason.trim() || null };
    if (choice.decision === "respond") return { ...decided, text: choice.text };
    if (choice.decision === "approve") return decided;
    const edited = parseArguments(choice.arguments);
    if (edited.error) errors[call_id] = [{ pointer: null, message: edited.error }];
    return { ...decided, arguments: edited.value };
  });
  return Object.keys(errors).length ? { errors } : { body: { approval_id: approval.id, decisions } };
}

/** Edited arguments as a JSON object, or what is wrong with them in the words of the browser's own parser. */
export function parseArguments(text) {
  try {
    const value = JSON.parse(text);
    if (value === null || typeof value !== "object" || Array.isArray(value))
      return { error: "The arguments must be a JSON object: { … }." };
    return { value };
  } catch (error) {
    return { error: `This is not valid JSON: ${error.message.replace(/ is not valid JSON$|^JSON\.parse: /, "")}` };
  }
}

/** What is wrong with edited arguments, by call id; pointers start at the arguments. */
export function schemaErrors(problem) {
  const byCall = {};
  for (const { call_id, ...error } of (problem.code === "arguments_invalid" && problem.body.errors) || []) {
    byCall[call_id] = [...(byCall[call_id] ?? []), error];
  }
  return byCall;
}

/**
 * Whether this person may decide an approval of a conversation of the person's own.
 * @param {{id: string, roles: string[]}|null} me null while that is not known
 */
export function mayDecide({ approvers = [], requester_may_approve }, me) {
  if (!approvers.length) return true;
  return requester_may_approve && holdsOne(approvers, me);
}

const holdsOne = (roles, me) => roles.some((role) => me?.roles.includes(role));

/** Why a person only watches: in the person's own conversation, or as one of those who were asked. */
export function whyNot({ approver, approvers, requester_may_approve }, me) {
  if (holdsOne(approvers, me) && !requester_may_approve)
    return `You asked for this, so somebody else decides: another person with the role ${approver}.`;
  return `Only people with the role ${approver} decide this. It goes on by itself when they have.`;
}

/** Those who have approved a call that needs more of them. */
export const votesOn = ({ votes = [] }, { call_id }) => votes.filter((vote) => vote.call_id === call_id);

/** The calls that a person has not approved yet. */
export const undecidedBy = (approval, me) =>
  approval.calls.filter((call) => !votesOn(approval, call).some(({ by }) => by.id === me?.id));

/** Who must decide a call, and how many have approved: "manager (1 of 2: Ann)"; null for the owner alone. */
export function needs(approval, call) {
  if (!approval.approver || approval.quorum === 1) return approval.approver;
  const given = votesOn(approval, call).map(({ by }) => by.name);
  const names = given.length ? `: ${given.join(", ")}` : "";
  return `${approval.approver} (${given.length} of ${approval.quorum}${names})`;
}

/**
 * The arguments as the fields of a form; null where the schema, or the text, is not plain enough for one.
 * @returns {{name: string, type: string, value: *, required: boolean}[]|null}
 */
export function plainFields(schema, text) {
  const { value } = parseArguments(text);
  const properties = Object.entries(schema?.properties ?? {});
  const plain = properties.every(([name, { type }]) => TYPES[type]?.(value?.[name]));
  const known = value && Object.keys(value).every((name) => name in (schema?.properties ?? {}));
  if (!plain || !known || !properties.length) return null;
  const required = schema.required ?? [];
  return properties.map(([name, { type }]) => ({ name, type, value: value[name], required: required.includes(name) }));
}

const either = (type) => (value) => value === undefined || typeof value === type;
const TYPES = {
  string: either("string"),
  number: either("number"),
  integer: either("number"),
  boolean: either("boolean"),
};

/**
 * What edited arguments change: by name, and within a text only around what differs.
 * @returns {{name: string, head: string, removed: string, added: string, tail: string}[]}
 */
export function changes(before, after) {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names
    .map((name) => ({ name, ...difference(written(before[name]), written(after[name])) }))
    .filter(({ removed, added }) => removed || added);
}

const written = (value) => (value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value));

function difference(before, after) {
  const [old, fresh] = [words(before), words(after)];
  const shorter = Math.min(old.length, fresh.length);
  let head = 0;
  while (head < shorter && old[head] === fresh[head]) head += 1;
  let tail = 0;
  while (tail < shorter - head && old.at(-1 - tail) === fresh.at(-1 - tail)) tail += 1;
  const middle = (all) => all.slice(head, all.length - tail).join("");
  return {
    head: old.slice(0, head).join(""),
    removed: middle(old),
    added: middle(fresh),
    tail: tail ? old.slice(-tail).join("") : "",
  };
}

const words = (text) => text.match(/\s+|[^\s]+/g) ?? [];

/** Why a decision did not count, said honestly: somebody else was first, the time is over, or what the server says. */
export function refusal(problem, calls) {
  const decided = problem.body.receipt?.decided ?? [];
  if (["already_decided", "approval_mismatch"].includes(problem.code) && decided.length) {
    const lines = decided.map(({ call_id, decision, by, at }) => {
      const name = calls.find((call) => call.call_id === call_id)?.name ?? "a call";
      return `${by?.name ?? by?.id ?? "Somebody"} ${PAST[decision] ?? decision} ${name} at ${clock(at)}`;
    });
    return `Your decision did not count, because this was already decided: ${lines.join("; ")}.`;
  }
  return problem.message;
}

const PAST = { approve: "approved", reject: "rejected", edit: "approved an edited", respond: "answered for", answer: "answered" };
