"""The worker's side of the record: `domain.ports.Store`. Every write is one short transaction that may run twice."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy import func, update

from adapters.database import asking, ledger, reading, thread
from adapters.database.engine import Database, insert
from adapters.database.grants import granted
from adapters.database.tables import NOT_ENDED, NOT_PAUSED, conversations, generations, steers
from adapters.database.types import instant
from domain.approval import Approval, Receipt
from domain.content import ErrorInfo, JsonObject, Message, ToolStatus
from domain.events import ApprovalDecided, ApprovalVoted, Outcome, Totals
from domain.grants import Grant
from domain.ids import ApprovalId, CallId, ConversationId, GenerationId, MessageId
from domain.record import CallRecord, StoredGeneration, TurnRecord
from domain.start import StartRequest


class DatabaseStore:
    """What each method promises is said at the port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, generation: GenerationId) -> StoredGeneration:
        async with self._database.reading() as connection:
            return await reading.generation(connection, generation)

    async def open(self, request: StartRequest, started_at: datetime) -> Message:
        async with self._database.writing() as connection:
            await connection.execute(
                update(generations)
                .where(generations.c.id == request.generation_id, generations.c.status.in_(NOT_PAUSED))
                .values(status="running", started_at=func.coalesce(generations.c.started_at, instant(started_at)))
            )
            await thread.touch(connection, request.conversation_id, started_at, agent=request.agent.id)
            return await thread.ask(connection, request)

    async def history(self, conversation: ConversationId, leaf: MessageId) -> list[Message]:
        async with self._database.reading() as connection:
            return await thread.branch(connection, conversation, leaf)

    async def save_turn(self, generation: GenerationId, turn: TurnRecord) -> None:
        async with self._database.writing() as connection:
            await ledger.save_turn(connection, generation, turn)

    async def turns(self, generation: GenerationId) -> list[TurnRecord]:
        async with self._database.reading() as connection:
            return await reading.turns(connection, generation)

    async def calls(self, generation: GenerationId) -> list[CallRecord]:
        async with self._database.reading() as connection:
            return await reading.calls(connection, generation)

    async def dispatch(self, generation: GenerationId, call: CallId, run: int, attempt: int) -> CallRecord:
        """Raises NotFound if the ledger has no such call."""
        async with self._database.writing() as connection:
            return await ledger.dispatch(connection, generation, call, run, attempt)

    async def save_arguments(self, generation: GenerationId, call: CallId, arguments: JsonObject) -> None:
        async with self._database.writing() as connection:
            await ledger.save_arguments(connection, generation, call, arguments)

    async def save_result(
        self,
        generation: GenerationId,
        call: CallId,
        *,
        status: ToolStatus,
        output: str,
        is_error: bool,
        duration_ms: int = 0,
        dispatched: tuple[int, int] | None = None,
    ) -> None:
        result = {"status": status, "output": output, "is_error": is_error, "duration_ms": duration_ms}
        async with self._database.writing() as connection:
            await ledger.save_result(connection, generation, call, result, dispatched)

    async def save_approval(self, generation: GenerationId, approval: Approval) -> None:
        async with self._database.writing() as connection:
            await asking.save_approval(connection, generation, approval)

    async def extend_approval(self, generation: GenerationId, approval: ApprovalId, expires_at: datetime) -> None:
        async with self._database.writing() as connection:
            await asking.extend_approval(connection, generation, approval, expires_at)

    async def save_decision(self, generation: GenerationId, decided: ApprovalDecided | ApprovalVoted) -> None:
        async with self._database.writing() as connection:
            await asking.save_decision(connection, generation, decided)

    async def close_approvals(
        self, generation: GenerationId, approvals: Sequence[ApprovalId], status: Literal["decided", "expired"]
    ) -> list[Approval]:
        async with self._database.writing() as connection:
            return await asking.close_approvals(connection, generation, approvals, status)

    async def save_steer(self, generation: GenerationId, turn: int, index: int, text: str) -> None:
        async with self._database.writing() as connection:
            await connection.execute(
                insert(connection, steers)
                .values(generation_id=generation, turn=turn, place=index, text=text)
                .on_conflict_do_nothing(index_elements=[steers.c.generation_id, steers.c.turn, steers.c.place])
            )

    async def steers(self, generation: GenerationId) -> list[tuple[int, str]]:
        async with self._database.reading() as connection:
            return await reading.steers(connection, generation)

    async def save_message(self, conversation: ConversationId, message: Message) -> None:
        async with self._database.writing() as connection:
            await thread.save(connection, conversation, message)
            await thread.touch(connection, conversation, message.created_at)

    async def finish(
        self,
        generation: GenerationId,
        *,
        outcome: Outcome,
        error: ErrorInfo | None,
        totals: Totals,
        finished_at: datetime,
    ) -> list[Approval]:
        async with self._database.writing() as connection:
            ended = await connection.scalar(
                update(generations)
                .where(generations.c.id == generation, generations.c.status.in_(NOT_ENDED))
                .values(
                    status=outcome,
                    error=error.model_dump() if error else None,
                    totals=totals.model_dump(),
                    finished_at=finished_at,
                )
                .returning(generations.c.conversation_id)
            )
            if ended is None:
                return []
            await thread.touch(connection, ended, finished_at)
            return await asking.close_all_approvals(connection, generation)

    async def grants(self, conversation: ConversationId) -> Sequence[Grant]:
        async with self._database.reading() as connection:
            return await granted(connection, conversation)

    async def set_title(self, conversation: ConversationId, title: str) -> None:
        async with self._database.writing() as connection:
            await connection.execute(
                update(conversations)
                .where(conversations.c.id == conversation, conversations.c.title.is_(None))
                .values(title=title)
            )

    async def title(self, conversation: ConversationId) -> str | None:
        async with self._database.reading() as connection:
            return await reading.title(connection, conversation)

    async def receipt(self, generation: GenerationId, approval: ApprovalId) -> Receipt | None:
        async with self._database.reading() as connection:
            return await reading.receipt(connection, generation, approval)
