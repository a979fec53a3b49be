"""Approvals as those see them who may decide them: one, or a list in pages, each with its receipt."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database import reading
from adapters.database.tables import approvals, conversations, generations
from domain.approval import Approval
from domain.content import Actor
from domain.errors import ApprovalNotFound, InvalidRequest
from domain.events import AgentRef
from domain.ids import ApprovalId
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


def concerns(tenant: str, owner: str) -> ColumnElement[bool]:
    """Which approvals a person may see and decide: those of the person's own conversations.

    The one place that says so. Whoever else may decide, by a role for example, is to be added here.
    """
    return and_(approvals.c.tenant == tenant, approvals.c.owner == owner)


async def one(connection: AsyncConnection, mine: ColumnElement[bool], approval: ApprovalId) -> StoredApproval:
    """Raises ApprovalNotFound."""
    rows = (await connection.execute(ASKED.where(mine, approvals.c.id == approval))).all()
    if not rows:
        raise ApprovalNotFound(f"There is no approval {approval!r}.")
    return (await _stored(connection, rows))[0]


async def page(
    connection: AsyncConnection, mine: ColumnElement[bool], status: ApprovalFilter, limit: int, before: str | None
) -> Page[StoredApproval]:
    """Ids sort by time, so an id is the cursor. Raises InvalidRequest for what cannot be one."""
    table = approvals.c
    chosen = table.status.in_(("decided", "expired", "closed")) if status == "settled" else table.status == status
    query, oldest_first = ASKED.where(mine, chosen), status == "pending"
    if before is not None:
        if not before.startswith("apr_"):
            raise InvalidRequest(f"{before[:50]!r} is no cursor of this list. Take it from `next` of a page.")
        query = query.where(table.id > before if oldest_first else table.id < before)
    order = table.id.asc() if oldest_first else table.id.desc()
    rows = (await connection.execute(query.order_by(order).limit(limit + 1))).all()
    shown = await _stored(connection, rows[:limit])
    return Page(items=shown, next=shown[-1].approval.id if len(rows) > limit else None)


async def _stored(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> tuple[StoredApproval, ...]:
    asked = [Approval.model_validate(row.approval) for row in rows]
    receipts = await reading.receipts(connection, asked)
    return tuple(
        StoredApproval(
            approval=approval,
            generation_id=row.generation_id,
            conversation_id=row.conversation_id,
            agent=AgentRef(id=row.agent_id, name=row.agent_name, model=row.agent_model),
            owner=Actor(id=row.owner, name=row.owner_name),
            title=row.title,
            status=row.status,
            receipt=receipts[approval.id],
        )
        for row, approval in zip(rows, asked, strict=True)
    )
