"""Lists in pages, newest first. A cursor holds the time and the id of the last row that was shown."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, and_, or_
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import InvalidRequest
from domain.record import Item, Page

TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


async def fetch_page(
    connection: AsyncConnection,
    query: Select[*tuple[Any, ...]],
    item: type[Item],
    *,
    at: Column[datetime],
    key: Column[str],
    limit: int,
    before: str | None,
) -> Page[Item]:
    """Up to `limit` rows, older than the cursor. Raises InvalidRequest for a cursor that is none of ours."""
    if before is not None:
        query = query.where(_older(at, key, before))
    rows = (await connection.execute(query.order_by(at.desc(), key.desc()).limit(limit + 1))).all()
    shown = rows[:limit]
    more = len(rows) > limit and len(shown) > 0
    return Page(
        items=tuple(item.model_validate(row._asdict()) for row in shown),
        next=_cursor(shown[-1]._mapping[at], shown[-1]._mapping[key]) if more else None,
    )


def _cursor(at: datetime, key: str) -> str:
    return f"{at.strftime(TIME)}_{key}"


def _older(at: Column[datetime], key: Column[str], cursor: str) -> ColumnElement[bool]:
    time, _, last = cursor.partition("_")
    try:
        then = datetime.strptime(time, TIME).replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidRequest(f"{cursor!r} is no cursor of this list. Take it from `next` of a page.") from error
    return or_(at < then, and_(at == then, key < last))
