"""PURE: from the words of a person to the answer to a question, and what such a person may say."""

from console.deciding import Misspoken
from domain.question import Answer, Question


def hint(question: Question) -> str:
    """How the question can be answered."""
    if not question.options:
        return "your answer"
    chosen = "numbers, with commas between" if question.multi_select else "a number"
    return f"{chosen}, or your own words"


def answer(question: Question, said: str) -> Answer:
    """Options by their number or their name, else one's own words. Raises Misspoken."""
    said = said.strip()
    if not said:
        raise Misspoken(f"Say {hint(question)}.")
    pieces = [piece.strip() for piece in said.split(",")] if question.multi_select else [said]
    found = [value for piece in pieces if (value := _value(question, piece)) is not None]
    if len(found) == len(pieces):
        return tuple(found)
    if question.options and all(piece.isdecimal() for piece in pieces):
        raise Misspoken(f"There are options 1 to {len(question.options)}. Say {hint(question)}.")
    return said


def _value(question: Question, piece: str) -> str | None:
    named = (o for o in question.options if piece.casefold() in (o.label.casefold(), o.value.casefold()))
    numbered = (o for number, o in enumerate(question.options, 1) if piece == str(number))
    option = next(named, None) or next(numbered, None)  # a name first: it may be a number
    return option.value if option else None
