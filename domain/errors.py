"""One tree of errors. They know no HTTP; `api/problems.py` alone maps them to status and code.

FermataError
├── NotFound            unknown, or not yours: the two look the same on purpose
│   ├── GenerationNotFound · ConversationNotFound · MessageNotFound · AgentNotFound · ApprovalNotFound
│   └── WebhookNotFound
├── Refused             understood, and not possible as things stand; nothing was changed
│   ├── GenerationLive · QueueFull · PredecessorMismatch · ParentUnfinished · IdempotencyMismatch
│   ├── NotPaused · PauseExpired · ApprovalIdRequired · ApprovalMismatch · AlreadyDecided
│   ├── UndecidedCalls · AnswersMismatch · NotAnApprover · DecisionNotAllowed · UnknownCall · IncompleteDecision
│   ├── ArgumentsInvalid
│   ├── AlreadyFinished · CursorAhead · SteerConflict · SteerQueueFull · Paused · ConcurrencyLimit
│   └── TooManyWebhooks
├── InvalidRequest      not what the contract says
│   └── InvalidBody
├── Unauthenticated     nobody known is asking
├── RoleRequired        somebody is asking who may not
├── PayloadTooLarge
├── Unavailable         a store or the engine is away; try again
├── ModelCallError      the provider failed: ModelRetryable · ModelFinal
├── StaleWriter         the log refused a write: a successor has started, or the log is sealed
├── LogExpired          a reader came while the log went
├── IllegalFact         a bug: the machine was told something that cannot have happened
└── ConfigurationError  the configuration cannot be used as it is
"""

from datetime import timedelta
from typing import Any


class FermataError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None, **members: Any) -> None:
        super().__init__(message or (type(self).__doc__ or "").split("\n")[0])
        self.members = members  # ids and numbers that belong beside the sentence; JSON values only


class NotFound(FermataError):
    """There is no such thing here."""


class GenerationNotFound(NotFound):
    """There is no such generation."""


class ConversationNotFound(NotFound):
    """There is no such conversation."""


class MessageNotFound(NotFound):
    """There is no such message in this conversation."""


class AgentNotFound(NotFound):
    """There is no such agent."""


class ApprovalNotFound(NotFound):
    """There is no such approval."""


class WebhookNotFound(NotFound):
    """There is no such webhook."""


class Refused(FermataError):
    """Not possible as things stand; nothing was changed."""


class GenerationLive(Refused):
    """Another generation is live in this conversation. Wait, abort it, or start with on_conflict replace or queue."""


class QueueFull(Refused):
    """Too many generations wait in this conversation. Wait until one has ended."""


class PredecessorMismatch(Refused):
    """Another generation is the latest of this conversation. Reload it and start again."""


class ParentUnfinished(Refused):
    """The parent message is still being written. Wait for its end or abort it."""


class IdempotencyMismatch(Refused):
    """This Idempotency-Key was used with another body. Use a new key for a new request."""


class NotPaused(Refused):
    """The generation is not waiting for a decision."""


class PauseExpired(Refused):
    """The time for this decision is over."""


class ApprovalIdRequired(Refused):
    """Say which approval is decided: approval_id is missing."""


class ApprovalMismatch(Refused):
    """The generation waits for another approval. Reload it and decide that one."""


class AlreadyDecided(Refused):
    """This has been decided already."""


class UndecidedCalls(Refused):
    """Every call needs a decision; decide the missing ones too, or set partial."""


class NotAnApprover(Refused):
    """Somebody else decides this."""


class DecisionNotAllowed(Refused):
    """The policy does not allow this decision for the call. Choose one of its allowed_decisions."""


class AnswersMismatch(Refused):
    """The answers are not those that were asked for."""


class UnknownCall(Refused):
    """The approval has no such call."""


class IncompleteDecision(Refused):
    """A decision lacks what it needs: edit needs arguments (an object), respond needs text."""


class ArgumentsInvalid(Refused):
    """The edited arguments do not fit the tool. Correct them and decide again."""


class AlreadyFinished(Refused):
    """The generation has ended."""


class CursorAhead(Refused):
    """The cursor is beyond the log of this generation: it belongs to another one. Read without a cursor."""


class Paused(Refused):
    """The generation waits for a decision; decide it first."""


class SteerConflict(Refused):
    """This client_id was used for another steer."""


class SteerQueueFull(Refused):
    """Too many steers wait for the next turn."""


class ConcurrencyLimit(Refused):
    """As many of your conversations are being answered as may be. Wait until one has ended or pauses, or abort it."""


class TooManyWebhooks(Refused):
    """This tenant has as many webhooks as it may have. Delete one first."""


class InvalidRequest(FermataError):
    """The request is not what the contract says."""


class InvalidBody(InvalidRequest):
    """The body is not a JSON object of the expected form."""


class Unauthenticated(FermataError):
    """Say who you are: no valid credential came with the request."""


class RoleRequired(FermataError):
    """This needs a role that you do not have."""


class PayloadTooLarge(FermataError):
    """The request is larger than allowed."""


class Unavailable(FermataError):
    """The engine or a store is away. Nothing was changed; try again in a moment."""


class ModelCallError(FermataError):
    """The provider failed."""

    def __init__(self, code: str, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


class ModelRetryable(ModelCallError):
    """The provider failed in a way that may pass: overload, a cut connection, a timeout."""


class ModelFinal(ModelCallError):
    """The provider refused in a way that will not pass: credentials, quota, context length, content policy."""


class StaleWriter(FermataError):
    """The log refused the write: a newer attempt has started, or the generation has ended."""


class LogExpired(FermataError):
    """The log was kept for its time after the end, and is gone."""


class IllegalFact(FermataError):
    """A bug: this fact cannot have happened in this phase."""


class ConfigurationError(FermataError):
    """The configuration cannot be used as it is."""


def by_name(name: str) -> type[FermataError] | None:
    """The class of that name: how an error crosses the engine, which carries names."""
    return _REGISTRY.get(name)


def _tree(root: type[FermataError]) -> dict[str, type[FermataError]]:
    found = {root.__name__: root}
    for child in root.__subclasses__():
        found |= _tree(child)
    return found


_REGISTRY = _tree(FermataError)
