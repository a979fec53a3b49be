"""Approvals as those see them who may decide them: one, or a list in pages, each with its receipt."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, and_, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database import reading
from adapters.database.tables import approvals, approvers, conversations, generations
from domain.approval import Approval, Receipt, may_decide, with_votes
from domain.content import Actor
from domain.errors import ApprovalNotFound, InvalidRequest
from domain.events import AgentRef
from domain.ids import ApprovalId, GenerationId
from domain.record import ApprovalFilter, Page, StoredApproval

_agent = generations.c.request["agent"]
_owner = generations.c.request["owner"]
ASKED = (
    select(
        approvals,
        generations.c.conversation_id,
        conversations.c.title,
        # Not the whole request: it holds the schemas of all the agent's tools.
        _agent["id"].as_string().label("agent_id"),
        _agent["name"].as_string().label("agent_name"),
        _agent["model"].as_string().label("agent_model"),
        _owner["name"].as_string().label("owner_name"),
    )
    .join_from(approvals, generations)
    .join(conversations, conversations.c.id == generations.c.conversation_id)
)


class Person(NamedTuple):
    """Who looks."""

    tenant: str
    id: str
    roles: Collection[str]


def concerns(person: Person) -> ColumnElement[bool]:
    """Which approvals a person may see: those of the person's own conversations, and those of the person's roles.

    The one place that says so. Whether the person may also decide them is said by `domain.approval.may_decide`.
    """
    table = approvals.c
    own = table.owner == person.id
    if not person.roles:
        return and_(table.tenant == person.tenant, own)
    by_role = exists().where(approvers.c.approval_id == table.id, approvers.c.role.in_(sorted(person.roles)))
    return and_(table.tenant == person.tenant, or_(own, by_role))


async def one(connection: AsyncConnection, person: Person, approval: ApprovalId) -> StoredApproval:
    """Raises ApprovalNotFound."""
    rows = (await connection.execute(ASKED.where(concerns(person), approvals.c.id == approval))).all()
    if not rows:
        raise ApprovalNotFound(f"There is no approval {approval!r}.")
    return (await _stored(connection, person, rows))[0]


async def has_part_in(connection: AsyncConnection, person: Person, generation: GenerationId) -> bool:
    """Whether an approval of this generation concerns the person."""
    found = select(exists().where(approvals.c.generation_id == generation, concerns(person)))
    return bool(await connection.scalar(found))


async def page(
    connection: AsyncConnection, person: Person, status: ApprovalFilter, limit: int, before: str | None
) -> Page[StoredApproval]:
    """Ids sort by time, so an id is the cursor. Raises InvalidRequest for what cannot be one."""
    table = approvals.c
    chosen = table.status.in_(("decided", "expired", "closed")) if status == "settled" else table.status == status
    query, oldest_first = ASKED.where(concerns(person), chosen), status == "pending"
    if before is not None:
        if not before.startswith("apr_"):
            raise InvalidRequest(f"{before[:50]!r} is no cursor of this list. Take it from `next` of a page.")
        query = query.where(table.id > before if oldest_first else table.id < before)
    order = table.id.asc() if oldest_first else table.id.desc()
    rows = (await connection.execute(query.order_by(order).limit(limit + 1))).all()
    shown = await _stored(connection, person, rows[:limit])
    return Page(items=shown, next=shown[-1].approval.id if len(rows) > limit else None)


async def _stored(connection: AsyncConnection, person: Person, rows: Sequence[Row[Any]]) -> tuple[StoredApproval, ...]:
    """What others see of a conversation is what they decide on, and not its title."""
    asked = [Approval.model_validate(row.approval) for row in rows]
    receipts = await reading.receipts(connection, asked)
    return tuple(
        StoredApproval(
            approval=with_votes(approval, receipts[approval.id].decided),
            generation_id=row.generation_id,
            conversation_id=row.conversation_id,
            agent=AgentRef(id=row.agent_id, name=row.agent_name, model=row.agent_model),
            owner=Actor(id=row.owner, name=row.owner_name),
            title=row.title if row.owner == person.id else None,
            status=row.status,
            may_decide=row.status == "pending" and _is_asked(approval, receipts[approval.id], person, row.owner),
            receipt=receipts[approval.id],
        )
        for row, approval in zip(rows, asked, strict=True)
    )


def _is_asked(approval: Approval, receipt: Receipt, person: Person, owner: str) -> bool:
    """Whether a call waits for this very person: who has approved already waits for others."""
    approved = {line.call_id for line in receipt.decided if line.by.id == person.id}
    waits = any(call_id not in approved for call_id in receipt.remaining)
    return waits and may_decide(approval, person.id, person.roles, owner=owner)
