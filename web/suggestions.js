/** What one could ask the demo agents: each shows something the product does, and works on the scripted demo model. */

const SUGGESTIONS = {
  assistant: [
    { label: "See what it can do", text: "What can you do?" },
    { label: "Let it use a tool", text: "What time is it in Tokyo?" },
    { label: "Decide before it acts", text: "Write a note: milk, bread and apples" },
    { label: "Be asked a question", text: "ask Which colour for the door? red | green | blue" },
    { label: "Reload it in the middle", text: "slow 300" },
  ],
  mail_clerk: [
    {
      label: "Decide on a mail",
      text: "Send a mail to ada@example.org: Rehearsal is on Thursday at eight, as always.",
    },
    { label: "See what it can do", text: "What can you do?" },
  ],
  researcher: [
    { label: "See what it can do", text: "What can you do?" },
    { label: "Watch it recover", text: "fail" },
  ],
};

/** Suggestions fit the demo model only; of a real model nobody needs to be told what to ask. */
export const suggestionsFor = (agent) => (agent?.model?.startsWith("demo:") ? (SUGGESTIONS[agent.id] ?? []) : []);
