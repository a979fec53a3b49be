"""What Temporal's own pages show of a job: search attributes, and the current details in Markdown."""

from typing import assert_never

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

from domain.approval import Approval
from domain.generation import Acting, Allowed, Ended, Finishing, Generation, Judging, Stopping, Thinking, pending
from domain.start import StartRequest

TENANT = SearchAttributeKey.for_keyword("TenantId")
USER = SearchAttributeKey.for_keyword("UserId")
CONVERSATION = SearchAttributeKey.for_keyword("ConversationId")
GENERATION = SearchAttributeKey.for_keyword("GenerationId")
STATUS = SearchAttributeKey.for_keyword("GenStatus")
AGENT = SearchAttributeKey.for_keyword("Agent")
MODEL = SearchAttributeKey.for_keyword("Model")
PENDING_TOOLS = SearchAttributeKey.for_keyword_list("PendingTools")
EXPIRES_AT = SearchAttributeKey.for_datetime("ApprovalExpiresAt")


def show(generation: Generation, shown: str | None) -> str:
    """Bring the page up to date; returns what is shown. Attributes are written when status or deadlines change."""
    workflow.set_current_details(details(generation))
    status = _status(generation)
    deadlines = [approval.expires_at for approval in pending(generation)]
    now_shown = " ".join([status, *(deadline.isoformat() for deadline in deadlines)])
    if now_shown == shown:
        return shown
    asked = [call.name for approval in pending(generation) for call in approval.calls]
    workflow.upsert_search_attributes(
        [
            *(_identity(generation.request) if shown is None else ()),
            STATUS.value_set(status),
            PENDING_TOOLS.value_set(asked) if asked else PENDING_TOOLS.value_unset(),
            EXPIRES_AT.value_set(min(deadlines)) if deadlines else EXPIRES_AT.value_unset(),
        ]
    )
    return now_shown


def _identity(request: StartRequest) -> list[SearchAttributeUpdate[str]]:
    """What makes the run findable: ids only, never what was said; attributes are not encrypted."""
    return [
        TENANT.value_set(request.tenant),
        USER.value_set(request.owner.id),
        CONVERSATION.value_set(request.conversation_id),
        GENERATION.value_set(request.generation_id),
        AGENT.value_set(request.agent.id),
        MODEL.value_set(request.agent.model),
    ]


def details(generation: Generation) -> str:
    """Markdown: where the answer stands, what it waits for, and how to decide from here."""
    request, phase = generation.request, generation.phase
    lines = [
        f"**{request.agent.name}** ({request.agent.model}) for `{request.owner.id}` · turn {phase.turn}",
        "",
        _where(generation),
    ]
    for approval in pending(generation):
        if approval.questions:
            lines += ["", f"### Waits for an answer until {approval.expires_at:%Y-%m-%d %H:%M} UTC", ""]
            ids = ", ".join(f"`{question.id}`" for question in approval.questions)
            lines += [f"Asks {ids}. Answer with signal or update `resume`, approval `{approval.id}`."]
            continue
        lines += ["", f"### Waits for a decision until {approval.expires_at:%Y-%m-%d %H:%M} UTC", ""]
        lines += [
            f"- `{call.name}` ({call.call_id}){f': {call.reason}' if call.reason else ''}" for call in approval.calls
        ]
        lines += ["", _how(approval)]
    totals = generation.totals
    lines += ["", f"{totals.input_tokens} tokens in, {totals.output_tokens} out · generation `{request.generation_id}`"]
    return "\n".join(lines)


def _how(approval: Approval) -> str:
    """How to decide from here."""
    if not approval.approvers:
        return f'Send signal `approve` with input `"{approval.id}"`, or `reject` with `"{approval.id}"` and a reason.'
    several = f", {approval.quorum} of them" if approval.quorum > 1 else ""
    votes = f" Approved by {', '.join(vote.by.name for vote in approval.votes)}." if approval.votes else ""
    return f"For **{approval.approver}**{several}: send update `resume` with `by` and `roles`.{votes}"


def _where(generation: Generation) -> str:
    match generation.phase:
        case Thinking():
            return "The model is writing."
        case Judging(calls=calls):
            return "The policy judges " + ", ".join(f"`{call.name}`" for call in calls) + "."
        case Acting(calls=calls):
            running = [f"`{call.name}`" for call in calls if isinstance(call.state, Allowed)]
            return f"Runs {', '.join(running)}." if running else "Paused."
        case Stopping(outcome=outcome):
            return f"Stops: {outcome}."
        case Finishing():
            return "Complete; waits for its title."
        case Ended(outcome=outcome, error=error):
            return f"Ended: {outcome}." + (f" {error.message}" if error else "")
        case _:
            assert_never(generation.phase)


def _status(generation: Generation) -> str:
    if pending(generation):
        return "requires_action"
    return generation.phase.outcome if isinstance(generation.phase, Ended) else "running"
