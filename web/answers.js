/** PURE: from what a person filled in to the answers to a model's questions, and from those to what can be read. */

/** What is filled in of a question: the values of the options that are chosen, or one's own words. */
const BLANK = { chosen: [], own: false, text: "" };

export const filledIn = (given, { id }) => given[id] ?? BLANK;

/** After an option is pressed. Own words stand in place of options, so they are put aside. */
export function choose({ multi_select }, filled, value) {
  if (!multi_select) return { ...filled, own: false, chosen: [value] };
  const others = filled.chosen.filter((known) => known !== value);
  return { ...filled, own: false, chosen: others.length < filled.chosen.length ? others : [...others, value] };
}

/** After "something else" is pressed; pressed again where several may be chosen, it is taken back. */
export const chooseOwn = ({ multi_select }, filled) => ({ ...filled, chosen: [], own: !(multi_select && filled.own) });

/** Whether a question is answered by a text: it has no options, or none was wanted. */
export const isWritten = ({ options }, { own }) => own || !options.length;

export const isAnswered = (question, filled) =>
  isWritten(question, filled) ? filled.text.trim() !== "" : filled.chosen.length > 0;

/** The request's body. */
export function answersBody({ id, questions }, given) {
  const answers = questions.map((question) => {
    const filled = filledIn(given, question);
    return [question.id, isWritten(question, filled) ? filled.text.trim() : filled.chosen];
  });
  return { approval_id: id, answers: Object.fromEntries(answers) };
}

/** What is wrong with answers that were refused, by question id. */
export function answerErrors({ code, body }) {
  if (code !== "answers_mismatch") return {};
  const missing = (body.missing ?? []).map((id) => [id, "This needs an answer."]);
  const wrong = (body.errors ?? []).map(({ question_id, message }) => [question_id, message]);
  return Object.fromEntries([...missing, ...wrong]);
}

/** What was asked and answered in a call of `ask_user`, in words; null for any other call, or one without answers. */
export function told({ name, status, arguments: given, output }) {
  if (name !== "ask_user" || status !== "completed") return null;
  try {
    const { questions } = typeof given === "string" ? JSON.parse(given) : given;
    return JSON.parse(output).answers.map(({ question, answer }, place) => {
      const labels = (questions[place].options ?? []).map(({ label, value }) => [value ?? label, label]);
      const words = Array.isArray(answer) ? answer.map((value) => Object.fromEntries(labels)[value] ?? value) : [answer];
      return { question, words };
    });
  } catch {
    return null; // a tool of the same name, which says what it likes
  }
}
