"""The replies of the model, and the ledger of their tool calls: noted before they run, and when they have ended."""

from collections.abc import Mapping

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.engine import insert
from adapters.database.tables import tool_calls, turns
from domain.content import JsonObject, ToolCallPart, is_empty
from domain.errors import NotFound
from domain.ids import CallId, GenerationId
from domain.record import CallRecord, TurnRecord


async def save_turn(connection: AsyncConnection, generation: GenerationId, turn: TurnRecord) -> None:
    parts = tuple(part for part in turn.parts if not is_empty(part))
    values = {"generation_id": generation, **turn.model_copy(update={"parts": parts}).model_dump(mode="json")}
    new = insert(connection, turns).values(values)
    won = await connection.scalar(
        new.on_conflict_do_update(
            index_elements=[turns.c.generation_id, turns.c.turn],
            set_={name: new.excluded[name] for name in TurnRecord.model_fields if name != "turn"},
            where=new.excluded.attempt > turns.c.attempt,
        ).returning(turns.c.attempt)
    )
    if won is None:  # a repeat, whose lines are kept already, or a lower attempt
        return
    # Calls of a lower attempt were never heard of outside of it.
    await connection.execute(
        delete(tool_calls).where(tool_calls.c.generation_id == generation, tool_calls.c.turn == turn.turn)
    )
    made = [part for part in parts if isinstance(part, ToolCallPart)]
    lines = [_line(generation, turn.turn, place, part) for place, part in enumerate(made)]
    if lines:
        await connection.execute(
            insert(connection, tool_calls)
            .values(lines)
            .on_conflict_do_nothing(index_elements=[tool_calls.c.generation_id, tool_calls.c.call_id])
        )


def _line(generation: GenerationId, turn: int, place: int, part: ToolCallPart) -> dict[str, object]:
    line = CallRecord(call_id=part.call_id, turn=turn, name=part.name, arguments=part.arguments)
    return {"generation_id": generation, "place": place, **line.model_dump()}


async def dispatch(
    connection: AsyncConnection, generation: GenerationId, call: CallId, run: int, attempt: int
) -> CallRecord:
    """Raises NotFound. The row stays locked until the transaction ends, so of two workers one sees the other's note."""
    this = (tool_calls.c.generation_id == generation, tool_calls.c.call_id == call)
    row = (await connection.execute(select(tool_calls).where(*this).with_for_update())).one_or_none()
    if row is None:
        raise NotFound(f"Generation {generation!r} has no call {call!r}.")
    before = CallRecord.model_validate(row._asdict())
    starts = (run, attempt) > (before.run, before.attempt) and (before.output is None or run > before.run)
    if starts:
        note = {"status": "running", "run": run, "attempt": attempt, "output": None, "is_error": None}
        await connection.execute(update(tool_calls).where(*this).values(note))
    return before


async def save_arguments(
    connection: AsyncConnection, generation: GenerationId, call: CallId, arguments: JsonObject
) -> None:
    line = (tool_calls.c.generation_id == generation, tool_calls.c.call_id == call, tool_calls.c.run == 0)
    await connection.execute(update(tool_calls).where(*line).values(arguments=arguments))


async def save_result(
    connection: AsyncConnection,
    generation: GenerationId,
    call: CallId,
    result: Mapping[str, object],
    dispatched: tuple[int, int] | None,
) -> None:
    line = [tool_calls.c.generation_id == generation, tool_calls.c.call_id == call, tool_calls.c.output.is_(None)]
    if dispatched is not None:
        run, attempt = dispatched
        line += [tool_calls.c.run == run, tool_calls.c.attempt == attempt]
    await connection.execute(update(tool_calls).where(*line).values(result))
