"""A screen that shows the page: what a person does there, and what the record says in comparison."""

import re
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import ConsoleMessage, Locator, Page, expect

from tests.stack import JsonDict, Stack

PROSE = ".prose:not(details .prose)"  # what is said, not what is thought


class Screen:
    """One tab. Texts are those of the newest answer."""

    def __init__(self, page: Page, stack: Stack, user: str) -> None:
        self.page, self.stack, self.user = page, stack, user
        self.failures: list[str] = []  # scripts that threw
        self.complaints: list[str] = []  # everything the console holds against the page
        page.on("pageerror", lambda error: self.failures.append(str(error)))
        page.on("console", self._on_console)

    async def open(self, conversation: str | None = None) -> None:
        query = f"/?c={conversation}" if conversation else "/"
        await self.page.goto(self.stack.url + query)
        await expect(self.page.get_by_label("Agent")).to_be_visible()

    async def another(self) -> "Screen":
        """A second tab of the same user on the same conversation."""
        tab = Screen(await self.page.context.new_page(), self.stack, self.user)
        tab.failures = self.failures
        await tab.open(self.conversation)
        return tab

    async def choose(self, agent: str) -> None:
        await self.page.get_by_label("Agent").select_option(label=agent)

    async def say(self, text: str) -> None:
        await self.page.get_by_label("Message", exact=True).fill(text)
        await self.page.keyboard.press("Enter")

    async def press(self, button: str) -> None:
        await self.page.get_by_role("button", name=button, exact=True).click()

    @property
    def conversation(self) -> str:
        """Its id, as the address names it."""
        return parse_qs(urlsplit(self.page.url).query)["c"][0]

    @property
    def answer(self) -> Locator:
        return self.page.get_by_test_id("answer").last

    @property
    def approval(self) -> Locator:
        return self.page.get_by_test_id("approval")

    @property
    def tool_card(self) -> Locator:
        return self.answer.get_by_test_id("tool-card")

    @property
    def connection(self) -> Locator:
        return self.page.get_by_test_id("connection")

    async def sees(self, text: str) -> None:
        await expect(self.answer).to_contain_text(text)

    async def flashes(self, text: str) -> None:
        """Shows the text, if only for the time of one frame."""
        await self.page.wait_for_function("text => document.body.innerText.includes(text)", arg=text, polling="raf")

    async def says(self, text: str) -> None:
        """The answer's one paragraph is this text and no more."""
        await expect(self.answer.locator(PROSE)).to_have_text(text)

    async def ended(self, outcome: str = "completed") -> None:
        await expect(self.answer).to_have_attribute("data-status", outcome)

    async def text(self) -> str:
        """The answer's paragraphs as one text, without what was thought before it."""
        return "\n\n".join(await self.answer.locator(f"{PROSE} .block").all_inner_texts())

    async def messages(self) -> list[JsonDict]:
        """The conversation as the record has it."""
        path = f"/api/conversations/{self.conversation}/messages"
        response = await self.stack.http.get(path, headers={"X-Dev-User": self.user})
        return list(response.raise_for_status().json()["items"])

    async def stored(self) -> JsonDict:
        """The newest answer as the record has it."""
        return next(message for message in reversed(await self.messages()) if message["role"] == "assistant")

    async def stored_text(self) -> str:
        return "\n\n".join(part["text"] for part in (await self.stored())["parts"] if part["type"] == "text")

    async def stored_calls(self) -> list[JsonDict]:
        return [part for part in (await self.stored())["parts"] if part["type"] == "tool_call"]

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


def numbered_words(count: int) -> str:
    """What the demo model says to `slow COUNT`."""
    return " ".join(f"word{number}" for number in range(1, count + 1))


def plain(markdown: str) -> str:
    """The words of a Markdown text, for comparison with what is drawn of it."""
    return " ".join(re.sub(r"[*`>]|^- ", "", markdown, flags=re.MULTILINE).split())
