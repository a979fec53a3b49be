/** Shows Markdown. While the text grows only its last blocks are drawn again. */
import { useMemo, useRef, useState } from "/web/vendor/preact-hooks.js";
import { parse } from "/web/markdown.js";
import { html, memo } from "/web/components/html.js";
import { IconButton } from "/web/components/icons.js";

export const Markdown = memo(({ text, growing }) => {
  const previous = useRef(null);
  const { blocks } = useMemo(
    () => (previous.current = parse(text, growing ? previous.current : null)),
    [text, growing],
  );
  return html`<div class="prose">
    ${blocks.map((block, position) => html`<${Block} key=${position} block=${block} />`)}
  </div>`;
});

const Block = memo(({ block }) =>
  block.code
    ? html`<${CodeBlock} ...${block.code} />`
    : html`<div class="block" dangerouslySetInnerHTML=${{ __html: block.html }} />`,
);

function CodeBlock({ language, html: coloured, text }) {
  return html`<figure class="block code" aria-label=${language ? `Code in ${language}` : "Code"}>
    <figcaption><span>${language || "text"}</span><${CopyButton} text=${text} label="Copy code" /></figcaption>
    <pre tabindex="0"><code dangerouslySetInnerHTML=${{ __html: coloured }} /></pre>
  </figure>`;
}

export function CopyButton({ text, label }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return html`<${IconButton} icon=${copied ? "check" : "copy"} label=${copied ? "Copied" : label} onClick=${copy} />`;
}
