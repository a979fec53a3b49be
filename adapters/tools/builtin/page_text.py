"""The text of an HTML page. Pure."""

import re
from html.parser import HTMLParser


def text_of(html: str) -> str:
    """What a person would read of a page, without its layout."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    text = re.sub(r"[ \t\r\f]+", " ", "".join(reader.pieces))
    return re.sub(r"\s*\n\s*", lambda gap: "\n\n" if gap[0].count("\n") > 1 else "\n", text).strip()


class _Reader(HTMLParser):
    UNSEEN = frozenset({"script", "style", "template", "noscript", "svg"})
    BLOCKS = frozenset(
        {"p", "div", "br", "li", "tr", "table", "section", "article", "pre", *(f"h{n}" for n in range(1, 7))}
    )

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen += tag in self.UNSEEN
        if tag in self.BLOCKS:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._unseen = max(0, self._unseen - (tag in self.UNSEEN))
        if tag in self.BLOCKS:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.pieces.append(data)
