"""Writes what the code knows best into the pages of this folder: `python -m docs.generate`.

What stands between the two marks of a page is replaced; the rest of it is written by hand.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter

from domain.advance import CELLS, IGNORED
from domain.events import Event
from domain.facts import Fact
from domain.generation import Phase

FOLDER = Path(__file__).parent
BEGIN = "<!-- Written by `python -m docs.generate`; changes here are lost. -->"
END = "<!-- Written by hand from here on. -->"

Schema = dict[str, Any]  # JSON schema


def page(name: str) -> str:
    """The page as it should be, with its generated part up to date."""
    before, _, rest = (FOLDER / name).read_text(encoding="utf-8").partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{name} has no generated part: it needs the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{PAGES[name]()}\n\n{END}{after}"


def phases() -> str:
    """The table of the machine: what each fact does in each phase."""
    columns = _members(Phase)
    rows = [[f"`{fact.__name__}`", *(_cell(phase, fact) for phase in columns)] for fact in get_args(Fact)]
    return _table(["", *(f"`{phase.__name__}`" for phase in columns)], rows)


def _cell(phase: type[Phase], fact: type[Fact]) -> str:
    handler = CELLS.get((phase, fact))
    if handler is not None:
        module = handler.__module__.removeprefix("domain.")
        return f"[{handler.__name__}](../domain/{module}.py)"
    return "ignored" if (phase, fact) in IGNORED else "–"


def events() -> str:
    """Each event and each value in one, with their fields."""
    schema = TypeAdapter(Event).json_schema(mode="serialization")
    definitions: dict[str, Schema] = schema["$defs"]
    of_events = {event.__name__: event.model_fields["type"].default for event in _members(Event)}
    values = sorted(definitions.keys() - of_events.keys())
    sections = [
        *(_section("##", f"`{title}`", definitions[name]) for name, title in of_events.items()),
        "## Values in events",
        *(_section("###", name, definitions[name]) for name in values),
    ]
    return "\n\n".join(sections)


def _section(level: str, title: str, definition: Schema) -> str:
    fields = [[f"`{name}`", _type(schema)] for name, schema in definition["properties"].items()]
    says = definition.get("description", "").replace("\n", " ").strip()
    return "\n\n".join(piece for piece in (f"{level} {title}", says, _table(["field", "type"], fields)) if piece)


def _type(schema: Schema) -> str:
    match schema:
        case {"$ref": ref}:
            name = ref.rpartition("/")[2]
            return f"[{name}](#{name.lower()})"
        case {"anyOf": choices} | {"oneOf": choices}:
            return " or ".join(_type(choice) for choice in choices)
        case {"const": value}:
            return f"`{value}`"
        case {"enum": values}:
            return ", ".join(f"`{value}`" for value in values)
        case {"type": "array", "items": items}:
            return f"list of {_type(items)}"
        case {"format": "date-time"}:
            return "time"
        case {"type": str(name)}:
            return name
        case _:
            return "anything"


def _members(union: object) -> tuple[type[Any], ...]:
    """The types in an annotated union."""
    members: tuple[type[Any], ...] = get_args(get_args(union)[0])
    return members


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(_lines([head, ["---"] * len(head), *rows]))


def _lines(rows: list[list[str]]) -> Iterator[str]:
    yield from (f"| {' | '.join(row)} |" for row in rows)


PAGES: dict[str, Callable[[], str]] = {"phases.md": phases, "events.md": events}

if __name__ == "__main__":
    for name in PAGES:
        (FOLDER / name).write_text(page(name), encoding="utf-8")
