"""What the demo model says. `COMMANDS` is the whole script: the first row that fits the user's text answers it."""

import json
import re
from collections.abc import Callable
from datetime import timedelta

from adapters.models.demo_comment import comment
from adapters.models.demo_steps import Break, Call, Refuse, Say, Steps, Think, as_json, quote
from domain.content import JsonObject, ToolCallPart
from domain.model import ModelRequest
from domain.prompt import ModelSaid, UserSaid

SLOW = timedelta(milliseconds=50)
MOST_WORDS = 100_000


def script(request: ModelRequest) -> Steps:
    """The steps of the reply. Deterministic: the same request gets the same steps."""
    if is_title_request(request):
        return (Say(_title(request), pace=timedelta()),)
    if results := _fresh_results(request):
        return comment(results, _asked(request))
    text = _last_text(request).strip()
    for pattern, needs, steps in COMMANDS:
        found = pattern.match(text)
        if found and (needs is None or any(tool.name == needs for tool in request.tools)):
            return steps(found, request)
    return _answer(text)


def is_title_request(request: ModelRequest) -> bool:
    """A title is asked for in the instructions, and with no tools to use."""
    return not request.tools and re.search(r"\btitle\b", request.instructions, re.IGNORECASE) is not None


# The rows.


def _use(found: re.Match[str], request: ModelRequest) -> Steps:
    known = {tool.name for tool in request.tools}
    lines = USE.findall(found.string)
    calls = [Call(tool, arguments or "{}") for tool, arguments in lines if arguments or tool in known]
    if not calls:  # "use caution" is no command
        return _answer(found.string)
    names = " and ".join(f"`{call.name}`" for call in calls)
    return (Think(f"The user wants me to use {names}."), Say(f"Let me use {names}."), *calls)


def _ask(found: re.Match[str], request: ModelRequest) -> Steps:
    asked = re.split(r"\n\s*ask\s+", found[1].strip(), flags=re.IGNORECASE)
    if not any(tool.name == "ask_user" for tool in request.tools):
        said = "\n".join(asked)
        return (Think("I have nothing to ask with but words."), Say(f"I have a question for you: {said}"))
    arguments = {"questions": [_question(f"q{number}", text) for number, text in enumerate(asked, 1)]}
    return (Think("I cannot know this. I had better ask."), Call("ask_user", as_json(arguments)))


def _question(name: str, text: str) -> JsonObject:
    """`Which one? red | green` lets one be chosen, `Which ones? red & green` several."""
    asked, mark, choices = text.rpartition("?")
    several = "&" in choices
    options = [choice.strip() for choice in choices.split("&" if several else "|") if choice.strip()]
    if not mark or len(options) < 2:
        return {"id": name, "text": text}
    question = {"id": name, "text": f"{asked}?", "options": [{"label": each, "value": each} for each in options]}
    return {**question, "multi_select": True} if several else question


def _slow(found: re.Match[str], _: ModelRequest) -> Steps:
    count = min(int(found[1]), MOST_WORDS)
    return (Say(" ".join(f"word{n}" for n in range(1, count + 1)), pace=SLOW),)


def _fail(_: re.Match[str], request: ModelRequest) -> Steps:
    if request.attempt == 1:
        thought = Think("This attempt will break off in a moment.")
        return (thought, Say("This is the first attempt, and its connection is about to"), Break())
    return (
        Think("The last attempt broke off. Once more, from the beginning."),
        Say(f"That went well: this is attempt {request.attempt}. What the broken one had said is gone."),
    )


def _error(_: re.Match[str], __: ModelRequest) -> Steps:
    return (Refuse(),)


def _time(found: re.Match[str], _: ModelRequest) -> Steps:
    place = (found[1] or "").strip().lower()
    return (Think("There is a clock among my tools."), Call("clock", as_json({"timezone": ZONES.get(place, "UTC")})))


def _calculate(found: re.Match[str], _: ModelRequest) -> Steps:
    expression = found[1].strip().replace("^", "**")
    return (Think("I had better not do this in my head."), Call("calculator", as_json({"expression": expression})))


def _note(found: re.Match[str], _: ModelRequest) -> Steps:
    text = found[1].strip()
    note = {"title": " ".join(re.findall(r"\w+", text)[:5]) or "Note", "text": text}
    return (Think("A note changes something, so a person will be asked first."), Call("write_note", as_json(note)))


def _mail(found: re.Match[str], _: ModelRequest) -> Steps:
    mail = {"to": found[1], "subject": " ".join(found[2].split()[:6]), "body": found[2].strip()}
    thought = Think("Mail cannot be taken back, so a person will be asked first.")
    return (
        thought,
        Say("I have written the mail; please look at it before it goes out."),
        Call("send_mail", as_json(mail)),
    )


def _greet(_: re.Match[str], request: ModelRequest) -> Steps:
    names = {tool.name for tool in request.tools}
    own = [example for name, example in EXAMPLES.items() if name in names]
    lines = "\n".join(f"- {example}" for example in (*own, *ALWAYS))
    return (
        Think("Somebody new. I will say what I am, and what can be tried."),
        Say(
            "Hello! I am the **demo model**: a script inside Fermata, there so that you can try everything "
            f"without a key. Say one of these to me:\n\n{lines}\n\n"
            "And `use TOOL {json}` calls any tool by its name; several such lines are several calls at once."
        ),
    )


def _answer(text: str) -> Steps:
    return (
        Think(f"{len(text.split())} words, and none of them is a command I know. I will be honest about that."),
        Say(
            f"You said:\n\n{quote(text)}\n\n"
            "I am only a script and cannot think about that, but all around me is real: this answer is "
            "a durable workflow. Reload the page, or kill the worker, and it goes on. Say **help** to see what to try."
        ),
    )


USE = re.compile(r"^[ \t]*use[ \t]+([\w.:-]+)(?:[ \t]+(\{.*))?[ \t]*$", re.MULTILINE)
EXAMPLES = {
    "clock": "`What time is it in Tokyo?` – a tool that runs at once",
    "calculator": "`What is 17 * 23?` – and another one",
    "write_note": "`Write a note: buy milk and bread` – **asks you first**, because it changes something",
    "ask_user": "`ask Which colour? red | green | blue` – **asks you a question**, and waits for your answer",
    "send_mail": "`Send a mail to ada@example.org: See you at noon` – **asks you first**: mail cannot be taken back",
}
ALWAYS = (
    "`slow 200` – a long answer; reload the page in the middle of it",
    "`fail` – breaks in the middle once, then recovers by itself",
    "`error` – fails for good, and says why",
)
ZONES = {
    "berlin": "Europe/Berlin",
    "delhi": "Asia/Kolkata",
    "london": "Europe/London",
    "new york": "America/New_York",
    "paris": "Europe/Paris",
    "san francisco": "America/Los_Angeles",
    "sydney": "Australia/Sydney",
    "tokyo": "Asia/Tokyo",
}


def _row(pattern: str, steps: Callable[[re.Match[str], ModelRequest], Steps], needs: str | None = None) -> "Row":
    return re.compile(pattern, re.IGNORECASE | re.DOTALL), needs, steps


Row = tuple[re.Pattern[str], str | None, Callable[[re.Match[str], ModelRequest], Steps]]

COMMANDS: tuple[Row, ...] = (
    (re.compile(r"(?s:.*?)" + USE.pattern, re.MULTILINE), None, _use),
    _row(r"ask\s+(.+)", _ask),
    _row(r"slow (\d{1,9})$", _slow),
    _row(r"fail\b", _fail),
    _row(r"error\b", _error),
    _row(r"(?:what time is it|what(?:'s| is) the time)(?: (?:now|in ([a-z ]+)))?\W*$", _time, needs="clock"),
    _row(
        r"(?:what is|what's|calculate|compute) ([\d\s().+*/^%-]*\d[\d\s().]*)[=?\s]*$", _calculate, needs="calculator"
    ),
    _row(r"(?:write|take|make|save) a note\W+(.+)", _note, needs="write_note"),
    _row(r"(?:send|write) (?:an? )?e?-?mail to (\S+@[\w.-]*\w)\W+(.+)", _mail, needs="send_mail"),
    _row(r"(?:hi|hello|hey|help|good (?:morning|day|evening)|what can you do|\?)?\W*$", _greet),
)
"""What the user says (its beginning) · the tool without which the row does not count · the reply."""


# What the request says.


def _fresh_results(request: ModelRequest) -> list[ToolCallPart]:
    """The calls that nobody has commented on yet: those with which the conversation ends."""
    last = request.said[-1] if request.said else None
    if not isinstance(last, ModelSaid) or not last.parts or not isinstance(last.parts[-1], ToolCallPart):
        return []
    return [part for part in last.parts if isinstance(part, ToolCallPart)]


def _asked(request: ModelRequest) -> list[tuple[str, JsonObject]]:
    """What the user's `use` lines wanted, to notice where a person has changed it."""
    wanted: list[tuple[str, JsonObject]] = []
    for tool, text in USE.findall(_last_text(request)):
        try:
            arguments = json.loads(text or "{}")
        except ValueError:
            continue
        wanted.append((tool, arguments))
    return wanted


def _title(request: ModelRequest) -> str:
    text = next((item.text for item in request.said if isinstance(item, UserSaid)), "")
    words = re.findall(r"[\w'’-]+", text.partition("{")[0])[:5]
    return " ".join(words)[:60].capitalize() or "Conversation"


def _last_text(request: ModelRequest) -> str:
    return next((item.text for item in reversed(request.said) if isinstance(item, UserSaid)), "")
