/** Markdown to blocks of safe HTML. A growing text is parsed only from its last unfinished blocks on. */
import DOMPurify from "/web/vendor/purify.js";
import hljs from "/web/vendor/highlight.js";
import { Marked } from "/web/vendor/marked.js";

const OPEN_BLOCKS = 2; // a list or a table may still swallow what follows; what lies before the last two is settled
const HIGHLIGHT_LIMIT = 20_000; // characters; beyond that colours are not worth a dropped frame

/**
 * @typedef {{raw: string, html?: string, code?: {language: string, html: string, text: string}}} Block
 * @param {string} text
 * @param {{text: string, blocks: Block[]}|null} previous what the last call returned for the same, shorter text
 */
export function parse(text, previous) {
  const settled = previous && text.startsWith(previous.text) ? previous.blocks.slice(0, -OPEN_BLOCKS) : [];
  const from = settled.reduce((length, block) => length + block.raw.length, 0);
  return { text, blocks: [...settled, ...blocksOf(text.slice(from))] };
}

function blocksOf(text) {
  const tokens = marked.lexer(text);
  const blocks = [];
  let raw = ""; // blank lines belong to the block before them, so that the blocks' raw texts add up to the whole
  for (const token of tokens) {
    if (token.type === "space" && blocks.length) blocks.at(-1).raw += token.raw;
    else if (token.type === "space") raw += token.raw;
    else {
      blocks.push({ raw: raw + token.raw, ...rendered(token, tokens.links) });
      raw = "";
    }
  }
  return blocks;
}

function rendered(token, links) {
  if (token.type === "code")
    return { code: { language: languageOf(token), html: highlighted(token), text: token.text } };
  const tokens = Object.assign([token], { links });
  return { html: DOMPurify.sanitize(marked.parser(tokens), SAFE) };
}

const escape = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
const languageOf = (token) => (token.lang ?? "").match(/^\S*/)[0].toLowerCase();

function highlighted(token) {
  const language = languageOf(token);
  if (!hljs.getLanguage(language) || token.text.length > HIGHLIGHT_LIMIT) return escape(token.text);
  return hljs.highlight(token.text, { language, ignoreIllegals: true }).value;
}

// Bare formatting tags may be written as HTML. Any other tag, or one with attributes, could dress text up as a part of
// the page, an approval for example: it is shown as the text it is.
const FOREIGN_TAG = /<(?!\/?(?:br|b|i|u|s|em|strong|del|sub|sup|mark|small|kbd)\s*\/?>)/gi;

const marked = new Marked({
  gfm: true,
  renderer: {
    code: (token) => `<pre><code>${highlighted(token)}</code></pre>`,
    html: ({ text }) => text.replace(FOREIGN_TAG, "&lt;"),
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
    // Loading a picture from elsewhere would tell that place who reads what; it is offered as a link instead.
    image: ({ href, text }) => `<a href="${escape(href)}">${escape(text || href)}</a>`,
  },
});

const SAFE = {
  ALLOWED_TAGS: (
    "p br hr h1 h2 h3 h4 h5 h6 strong em b i del s u sub sup mark small kbd code pre blockquote ul ol li " +
    "table thead tbody tr th td a span"
  ).split(" "),
  ALLOWED_ATTR: ["href", "title", "start", "align", "class"],
};

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A") {
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer");
  }
});
