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
    const decided = { call_id, decision: choice.decision, scope: choice.always ? "conversation" : "once" };
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

/** A 422's errors by call id. A pointer starts at the call's arguments, wherever the server began counting. */
export function schemaErrors(problem, calls) {
  const byCall = {};
  for (const error of problem.body.errors ?? []) {
    const [, position, inside] = (error.pointer ?? "").match(/^\/decisions\/(\d+)(?:\/arguments)?(.*)$/) ?? [
      null,
      null,
      error.pointer,
    ];
    const call = error.call_id ?? calls[position ?? 0]?.call_id;
    const found = { pointer: inside || "/", message: error.message ?? error.detail ?? "is not allowed here" };
    byCall[call] = [...(byCall[call] ?? []), found];
  }
  return byCall;
}

/** Why a decision did not count, said honestly: somebody else was first, the time is over, or what the server says. */
export function refusal(problem, calls) {
  const decided = problem.body.receipt?.decided ?? [];
  if (problem.code === "already_decided" && decided.length) {
    const lines = decided.map(({ call_id, decision, by, at }) => {
      const name = calls.find((call) => call.call_id === call_id)?.name ?? "a call";
      return `${by?.name ?? by?.id ?? "Somebody"} ${PAST[decision] ?? decision} ${name} at ${clock(at)}`;
    });
    return `Your decision did not count, because this was already decided: ${lines.join("; ")}.`;
  }
  return problem.message;
}

const PAST = { approve: "approved", reject: "rejected", edit: "approved an edited", respond: "answered for" };
