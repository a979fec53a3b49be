"""What must be true of every answer, whatever happened to it: its readers, the record and the world agree."""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from domain.content import ErrorPart, TextPart
from domain.events import GenerationFinished, parse_frame
from tests.chaos.answer import Answer
from tests.chaos.reader import Frame, shown
from tests.chaos.till import THANKS, begun
from tests.stack import Stack

OF_AN_ATTEMPT = {"turn.started", "text.delta", "reasoning.delta", "tool_call.started", "tool_call.delta"}


async def judge(stack: Stack, answer: Answer, *, torn: bool = False) -> None:
    """Fails with what is wrong with this answer. `torn`: Redis may have lost some of its log."""
    if answer.outcome not in ("aborted", "replaced"):  # else the decision may have come too late
        assert not answer.refusals
    view = await stack.view(answer.id)
    conversation = await stack.http.get(f"/api/conversations/{answer.conversation}/messages")
    messages = conversation.raise_for_status().json()["items"]
    stored = [message for message in messages if message["id"] == answer.response_message]
    assert stored == ([view["message"]] if view["message"] else [])
    log: dict[int, bytes] = {}
    for reader in answer.readers:
        _is_dense(reader.frames, torn=torn)
        _ends_once(reader.frames)
        _dead_attempts_are_silent(reader.frames)
        _shows_nothing_twice(reader.frames)
        for frame in _numbered(reader.frames):
            assert log.setdefault(frame.seq or 0, frame.raw) == frame.raw  # the same bytes for everybody
        seen = shown(reader.frames)
        assert seen is not None
        assert seen.model_dump(mode="json") == view
    _each_tool_ran_as_often_as_it_was_let(stack.data_dir, answer)


def told(answer: Answer) -> list[str]:
    """The texts of the message, which are the same whatever died."""
    view = shown(answer.frames)
    assert view is not None
    assert view.message is not None
    return [part.text for part in view.message.parts if isinstance(part, TextPart)]


def _numbered(frames: Sequence[Frame]) -> list[Frame]:
    return [frame for frame in frames if frame.seq is not None and frame.type != "snapshot"]


def _is_dense(frames: Sequence[Frame], *, torn: bool) -> None:
    """Each event follows the one before, or the snapshot that stands for all before."""
    cursor = 0
    for frame in frames:
        assert torn or frame.type != "gap", frame
        assert frame.seq is None or frame.type == "snapshot" or frame.seq == cursor + 1, (cursor, frame)
        cursor = cursor if frame.seq is None else frame.seq


def _ends_once(frames: Sequence[Frame]) -> None:
    types = [frame.type for frame in frames]
    assert types.count("generation.finished") == 1
    assert types[-1] == "generation.finished"


def _dead_attempts_are_silent(frames: Sequence[Frame]) -> None:
    """What an attempt has to say, it says before the next one begins."""
    spoken = [(frame.data["turn"], frame.data["attempt"]) for frame in frames if frame.type in OF_AN_ATTEMPT]
    assert spoken == sorted(spoken)


def _shows_nothing_twice(frames: Sequence[Frame]) -> None:
    """The terminal event brings the whole message; a moment before, the screen must have shown the same."""
    *before, last = frames
    end = parse_frame(last.raw)
    assert isinstance(end, GenerationFinished)
    if end.message is not None:
        view = shown(before)
        assert view is not None
        assert view.message is not None
        assert view.message.parts == tuple(part for part in end.message.parts if not isinstance(part, ErrorPart))


def _each_tool_ran_as_often_as_it_was_let(data_dir: Path, answer: Answer) -> None:
    for line in _ledger(data_dir, answer.id):
        began = begun(data_dir, answer.id, line.call_id)
        if line.name == "charge":  # at most once for each time that a person said yes
            assert began <= line.run <= line.approved, (line, began)
        else:
            assert line.run <= 1, (line, began)
        if line.output and line.output.endswith(THANKS):
            assert began >= 1, (line, began)


class Line(NamedTuple):
    """What the ledger has of a call, and how often somebody approved it."""

    call_id: str
    name: str
    run: int
    output: str | None
    approved: int


def _ledger(data_dir: Path, generation: str) -> list[Line]:
    with closing(sqlite3.connect(f"file:{data_dir / 'fermata.db'}?mode=ro", uri=True)) as database:
        approvals = database.execute(
            "SELECT call_id FROM decisions WHERE generation_id = ? AND decision IN ('approve', 'edit')", [generation]
        )
        approved = Counter(call_id for (call_id,) in approvals)
        lines = database.execute(
            "SELECT call_id, name, run, output FROM tool_calls WHERE generation_id = ?", [generation]
        )
        return [Line(call_id, name, run, output, approved[call_id]) for call_id, name, run, output in lines]
