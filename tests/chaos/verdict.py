"""What must be true of every answer, whatever happened to it: its readers, the record and the world agree."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from domain.content import ErrorPart, Part, TextPart
from domain.events import parse_frame
from domain.view import View, fold
from tests.chaos.answer import Answer
from tests.chaos.reader import Reader
from tests.chaos.till import THANKS, begun
from tests.stack import JsonDict, Stack


class Line(NamedTuple):
    """What the ledger has of a call."""

    call_id: str
    name: str
    status: str
    run: int
    output: str | None


async def judge(stack: Stack, answer: Answer) -> None:
    """Fails with what is wrong with this answer."""
    assert not answer.refusals, answer.refusals
    log = _the_log_is_dense_and_ends_once(answer.readers[0])
    view = await stack.view(answer.id)
    messages = (await stack.http.get(f"/api/conversations/{answer.conversation}/messages")).raise_for_status().json()
    stored = [message for message in messages["items"] if message["id"] == answer.response_message]
    assert stored == ([view["message"]] if view["message"] else [])
    for reader in answer.readers:
        _saw_the_log(reader, log)
        seen = reader.view()
        assert seen is not None
        assert seen.model_dump(mode="json") == view
        _nothing_was_doubled_on_screen(reader)
    _each_tool_ran_as_often_as_it_was_let(stack.data_dir, answer)


def told(answer: Answer) -> list[str]:
    """The texts of the message, which are the same whatever died."""
    view = answer.readers[0].view()
    assert view is not None
    assert view.message is not None
    return [part.text for part in view.message.parts if isinstance(part, TextPart)]


def _the_log_is_dense_and_ends_once(reader: Reader) -> dict[int, bytes]:
    numbers = [seq for seq, _ in reader.events]
    types = [frame.type for frame in reader.frames]
    assert numbers == list(range(1, len(numbers) + 1))
    assert types.count("generation.finished") == 1
    assert types[-1] == "generation.finished"
    attempts = [(frame.data["turn"], frame.data["attempt"]) for frame in reader.frames if frame.type == "turn.started"]
    assert attempts == sorted(set(attempts))  # only ever a later attempt
    return {seq: frame.raw for seq, frame in reader.events}


def _saw_the_log(reader: Reader, log: dict[int, bytes]) -> None:
    """The same bytes, none left out, to the end."""
    assert [frame.type for frame in reader.frames].count("gap") == 0
    numbers = [seq for seq, _ in reader.events]
    assert numbers == list(range(numbers[0], len(log) + 1))
    assert all(frame.raw == log[seq] for seq, frame in reader.events)


def _nothing_was_doubled_on_screen(reader: Reader) -> None:
    """The terminal event brings the whole message; a moment before, the screen must have shown the same."""
    *before, last = reader.frames
    final = parse_frame(last.raw)
    assert final.type == "generation.finished"
    if final.message is not None:
        view = Reader([], reader.generation, frames=before).view()
        assert view is not None
        assert view.message is not None
        assert view.message.parts == tuple(part for part in final.message.parts if not isinstance(part, ErrorPart))


def _each_tool_ran_as_often_as_it_was_let(data_dir: Path, answer: Answer) -> None:
    approved = Counter(
        frame.data["call_id"]
        for frame in answer.frames
        if frame.type == "approval.decided" and frame.data["decision"] == "approve"
    )
    results = Counter(frame.data["call_id"] for frame in answer.frames if frame.type == "tool.completed")
    for line in _ledger(data_dir, answer.id):
        began = begun(data_dir, answer.id, line.call_id)
        assert results[line.call_id] == 1, line
        if line.name == "charge":  # once at most for each time that a person said yes
            assert began <= line.run <= approved[line.call_id], (line, began, approved)
        else:
            assert line.run <= 1, line
        if line.output and line.output.endswith(THANKS):
            assert began >= 1, line


def _ledger(data_dir: Path, generation: str) -> list[Line]:
    with closing(sqlite3.connect(f"file:{data_dir / 'fermata.db'}?mode=ro", uri=True)) as database:
        columns = ", ".join(Line._fields)
        lines = database.execute(f"SELECT {columns} FROM tool_calls WHERE generation_id = ?", [generation])
        return [Line(*line) for line in lines]
