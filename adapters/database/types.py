"""Column types on which SQLite and PostgreSQL agree."""

from datetime import UTC, datetime

from sqlalchemy import JSON, BindParameter, DateTime, Dialect, Text, TypeDecorator, literal

# Not JSONB, although PostgreSQL has it: it reorders keys, rewrites 1e22 as an integer and refuses NUL, so the arguments
# that come back would no longer be those whose digest a person approved. Nothing here is searched by its inside.
Json = JSON(none_as_null=True)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, in UTC. SQLite would silently drop the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without its zone: {value!r}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def instant(at: datetime) -> BindParameter[datetime]:
    """A time within an expression, where the type cannot be guessed from a column."""
    return literal(at, UtcDateTime())


class PlainText(TypeDecorator[str]):
    """Text with its NUL characters replaced: PostgreSQL cannot hold them, and tools do return them."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else value.replace("\0", "\ufffd")
