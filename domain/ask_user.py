"""The tool `ask_user`: how the model sees it, and the questions in a call of it. It never runs; people answer it."""

from typing import Any

from domain.agent import ToolSpec
from domain.content import JsonObject
from domain.ids import QuestionId
from domain.question import Option, Question

QUESTIONS = 4
OPTIONS = 12
TEXT_CHARS = 1_000  # of a question, which is short: it travels through the engine's history
LABEL_CHARS = 200


def _text(chars: int, description: str = "") -> JsonObject:
    described = {"description": description} if description else {}
    return {"type": "string", "maxLength": chars, **described}


def _said(chars: int, description: str = "") -> JsonObject:
    return {**_text(chars, description), "pattern": r"\S"}


def _object(required: list[str], **properties: JsonObject) -> JsonObject:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


_OPTION = _object(
    ["label"],
    label=_said(LABEL_CHARS, "What the user reads."),
    value=_said(LABEL_CHARS, "What you get if it is chosen; without it the label."),
)
_QUESTION = _object(
    ["text"],
    id=_said(LABEL_CHARS, "Names the answer; without it q1, q2 and so on."),
    text=_said(TEXT_CHARS, "The question itself."),
    description=_text(TEXT_CHARS, "What the user should know to answer it."),
    options={
        "type": "array",
        "maxItems": OPTIONS,
        "items": _OPTION,
        "description": "What the user can choose from. None: the user writes. Own words are possible in any case.",
    },
    multi_select={"type": "boolean", "description": "Whether several options may be chosen."},
)
ASK_USER = ToolSpec(
    name="ask_user",
    origin="ask_user",
    description=(
        "Ask the user, and wait for the answer. For what only the user can know or decide; put what belongs together "
        "into one call."
    ),
    parameters=_object(
        ["questions"],
        questions={"type": "array", "minItems": 1, "maxItems": QUESTIONS, "items": _QUESTION},
    ),
)


def asks_user(tool: ToolSpec | None) -> bool:
    """Whether it is this tool; another one may have its name."""
    return tool is not None and tool.origin == ASK_USER.origin


def problem(arguments: JsonObject) -> str | None:
    """What is wrong with questions that fit the schema."""
    questions = questions_in(arguments)
    if len({question.id for question in questions}) < len(questions):
        return "two questions have one id"
    for question in questions:
        if len({option.value for option in question.options}) < len(question.options):
            return f"two options of question {question.id!r} have one value"
    return None


def questions_in(arguments: JsonObject) -> tuple[Question, ...]:
    """The questions of a call whose arguments fit the schema; those without an id get one."""
    asked: list[dict[str, Any]] = arguments["questions"]
    given = {each["id"] for each in asked if "id" in each}
    free = (f"q{number}" for number in range(1, 2 * QUESTIONS + 1) if f"q{number}" not in given)
    return tuple(
        Question(
            id=QuestionId(each["id"] if "id" in each else next(free)),
            text=each["text"],
            description=each.get("description", ""),
            options=tuple(_option(option) for option in each.get("options", ())),
            multi_select=each.get("multi_select", False),
        )
        for each in asked
    )


def _option(given: dict[str, str]) -> Option:
    return Option(label=given["label"], value=given.get("value", given["label"]))
