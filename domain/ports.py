"""What the steps need of the world beside the model, as protocols. Adapters fulfil them; `worker.py` joins the two."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal, Protocol

from domain.agent import ToolSpec
from domain.approval import Approval, Receipt
from domain.content import ErrorInfo, JsonObject, Message, ToolStatus, Value
from domain.decide import ExtendRequest, ResumeAnswer, ResumeRequest
from domain.events import ApprovalDecided, ApprovalVoted, Event, Outcome, Totals
from domain.grants import Grant
from domain.ids import ApprovalId, CallId, ConversationId, GenerationId, MessageId
from domain.record import CallRecord, StoredGeneration, TurnRecord
from domain.start import Aborted, AbortRequest, StartRequest, Submitted
from domain.verdict import CallFacts, Opinion
from domain.view import View


class Address(Value):
    """Whose conversation: what names its workflow."""

    tenant: str
    owner: str
    conversation: ConversationId


def whose(request: StartRequest) -> Address:
    return Address(tenant=request.tenant, owner=request.owner.id, conversation=request.conversation_id)


# Tools.
class ToolOutput(Value):
    """What the model will read. `is_error`: the tool failed in a way the model should know about."""

    text: str
    is_error: bool = False


class Tools(Protocol):
    """Runs tools."""

    def invalid(self, tool: ToolSpec, arguments: JsonObject | str) -> str | None:
        """What is wrong with the arguments, as one sentence; None if they fit."""

    async def run(self, tool: ToolSpec, arguments: JsonObject, *, idempotency_key: str) -> ToolOutput:
        """The tool's output. A tool that raises is an output with `is_error`, not an exception."""


# The policy, as far as it is not data.
class Conditions(Protocol):
    """Evaluates the conditions of rules."""

    def holds(self, condition: str, call: CallFacts) -> bool | None:
        """Whether it holds for this call; None if that cannot be told."""


class Hooks(Protocol):
    """Asks the operator's own functions."""

    async def ask(self, hook: str, call: CallFacts) -> Opinion:
        """What it says. A hook that fails is an opinion with a `failure`, not an exception."""


# The engine, as the API speaks to it.
class Engine(Protocol):
    """Runs generations. Every method raises Unavailable when the engine is away, and domain errors when refused."""

    async def submit(self, request: StartRequest) -> Submitted:
        """Start, or queue. Repeating it with the same generation id changes nothing."""

    async def resume(self, owner: Address, request: ResumeRequest, decision_id: str) -> ResumeAnswer | None:
        """The answer once the workflow has taken the decisions; None if no worker answered in time and they were left
        with the engine, to be taken when one does. `decision_id` makes repeats one decision. Raises NotPaused if
        nothing runs in that conversation.
        """

    async def resume_later(self, owner: Address, request: ResumeRequest) -> None:
        """Leave the decisions with the engine without waiting for a worker. Raises NotPaused if nothing runs."""

    async def extend(self, owner: Address, request: ExtendRequest) -> datetime:
        """The new deadline. Raises NotPaused if nothing runs in that conversation."""

    async def abort(self, owner: Address, request: AbortRequest) -> Aborted:
        """Stop, and return when all is stored and told. Raises GenerationNotFound if it does not run."""

    async def healthy(self) -> bool:
        """Whether the engine answers."""


# The log.
Mishap = Literal["fenced", "sealed", "lost"]
"""A write was refused, since a successor writes or the log has ended; or the log was gone and is begun anew."""


class Writer(Value):
    """Who writes. A higher epoch of the same name fences every lower one out."""

    name: str
    epoch: int


class Log(Protocol):
    """The numbered events of each generation, for readers."""

    async def append(
        self, generation: GenerationId, writer: Writer, position: int, events: Sequence[Event], *, seal: bool = False
    ) -> int:
        """Number, keep and publish the events; returns the sequence number of the last one.

        `position` counts this writer's events of this epoch, from 1: what was already taken is skipped, so a repeat
        after a lost answer doubles nothing. Raises StaleWriter if a higher epoch wrote, or the log is sealed and this
        is no repeat. `seal`: nothing may follow; the log is kept for the retention time from now.
        """

    async def view(self, generation: GenerationId) -> View | None:
        """The fold of everything logged so far, with its cursor; None if there is no log."""

    async def save_snapshot(self, generation: GenerationId, view: View) -> None:
        """Keep the view for readers who join; an older one than the kept one changes nothing."""

    async def events_after(self, generation: GenerationId, after: int) -> list[tuple[int, Event]]:
        """Every kept event beyond the sequence number, in order."""


# The slots.
class Slots(Protocol):
    """The slots of users, in which their generations run. One that is not heard of for a minute is free again.

    None of these raises Unavailable: while it cannot be told who has a slot, everybody has.
    """

    async def take(self, whose: Address, generation: GenerationId) -> str | None:
        """Take a slot, at the door. Returns with what it can be given back, None if it was held before.

        Raises ConcurrencyLimit.
        """

    async def give_back(self, whose: Address, generation: GenerationId, receipt: str | None) -> None:
        """What was taken is not needed, unless it has been taken again since."""

    async def hold(self, whose: Address, generation: GenerationId) -> None:
        """What runs has a slot, whether one is free or not."""

    async def renew(self, whose: Address, generation: GenerationId) -> None:
        """Keep the slot, if it is held."""

    async def release(self, whose: Address, generation: GenerationId) -> None:
        """It pauses, or has ended."""


# The bell.
class Bell(Protocol):
    """Tells whoever looks at an inbox that something has changed in it."""

    async def ring(self, tenant: str, owner: str, roles: Collection[str] = ()) -> None:
        """Ring for the owner, and for all of that tenant who have one of the roles. It may be lost, which raises
        nothing: the store is the memory, and who listens also looks there from time to time.
        """


# The store.
class Store(Protocol):
    """The record. Every write is an idempotent upsert: a step may run twice. Temporal decides, the store records.

    Any method raises Unavailable when the database is away.
    """

    async def load(self, generation: GenerationId) -> StoredGeneration:
        """The generation with its pinned request. Raises GenerationNotFound."""

    async def open(self, request: StartRequest, started_at: datetime) -> Message:
        """Mark the generation running and store the user's message (unless it is there); returns that message.

        Without a parent named at the start, the parent is the newest message of the conversation.
        """

    async def history(self, conversation: ConversationId, leaf: MessageId) -> list[Message]:
        """The branch from the root down to and including `leaf`."""

    async def save_turn(self, generation: GenerationId, turn: TurnRecord) -> None:
        """Keep a reply, and one ledger line for each of its tool calls. The higher attempt wins."""

    async def turns(self, generation: GenerationId) -> list[TurnRecord]:
        """The kept replies, in order."""

    async def calls(self, generation: GenerationId) -> list[CallRecord]:
        """The ledger, in order of the calls."""

    async def save_arguments(self, generation: GenerationId, call: CallId, arguments: JsonObject) -> None:
        """Have the call go on with these arguments. What has been dispatched keeps those it ran with."""

    async def dispatch(self, generation: GenerationId, call: CallId, run: int, attempt: int) -> CallRecord:
        """Note that the call starts, and return the line as it was before. One atomic step.

        Only a (run, attempt) beyond the noted one is noted, and only while this run has no result.
        """

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
        """Write the call's result into the ledger; a second result for an ended call changes nothing.

        `dispatched`: the (run, attempt) that had this result. If another one is noted by now, nothing changes either.
        """

    async def save_approval(self, generation: GenerationId, approval: Approval) -> None:
        """Keep an approval as pending, its calls as asked, and the generation as requires_action."""

    async def extend_approval(self, generation: GenerationId, approval: ApprovalId, expires_at: datetime) -> None:
        """Note the new deadline, if people are still asked."""

    async def save_decision(self, generation: GenerationId, decided: ApprovalDecided | ApprovalVoted) -> None:
        """Append what somebody said on a call; a decision that settles it is noted on the call."""

    async def close_approvals(
        self, generation: GenerationId, approvals: Sequence[ApprovalId], status: Literal["decided", "expired"]
    ) -> list[Approval]:
        """These approvals wait no more; a generation without pending ones is running again (unless it has ended).

        Returns those that waited until now: none, if this is a repeat.
        """

    async def save_steer(self, generation: GenerationId, turn: int, index: int, text: str) -> None:
        """Keep what the user said between two turns; it is heard before `turn`."""

    async def steers(self, generation: GenerationId) -> list[tuple[int, str]]:
        """Applied steers as (turn before which it was heard, text), in order."""

    async def save_message(self, conversation: ConversationId, message: Message) -> None:
        """Insert or replace a message; a finished one is never replaced by an unfinished one."""

    async def finish(
        self,
        generation: GenerationId,
        *,
        outcome: Outcome,
        error: ErrorInfo | None,
        totals: Totals,
        finished_at: datetime,
    ) -> list[Approval]:
        """The generation has ended; its open approvals are closed, and returned. The first outcome stands."""

    async def grants(self, conversation: ConversationId) -> Sequence[Grant]:
        """What is allowed for good there."""

    async def set_title(self, conversation: ConversationId, title: str) -> None:
        """Name the conversation, unless it has a name."""

    async def title(self, conversation: ConversationId) -> str | None:
        """The conversation's title."""

    async def receipt(self, generation: GenerationId, approval: ApprovalId) -> Receipt | None:
        """Who decided what on that approval; None if there is no such approval."""
