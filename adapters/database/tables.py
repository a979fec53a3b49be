"""The tables. Columns carry the names of the domain values they are read into; the schema is made by `migrations/`."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    UniqueConstraint,
)

from adapters.database.types import Json, PlainText, UtcDateTime

LIVE = ("queued", "running", "requires_action")
NOT_PAUSED = ("submitted", "queued", "running")  # submitted: claimed, and not yet taken by the engine
NOT_ENDED = (*NOT_PAUSED, "requires_action")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _ordinal() -> Column[int]:
    """The order of insertion. SQLite counts up by itself in a column of exactly the type INTEGER only."""
    return Column("ordinal", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)


def _belongs_to(table: str, *, primary_key: bool = False) -> Column[str]:
    target = ForeignKey(f"{table}s.id", ondelete="CASCADE")
    return Column(f"{table}_id", PlainText, target, primary_key=primary_key, nullable=False)


conversations = Table(
    "conversations",
    metadata,
    Column("id", PlainText, primary_key=True),
    Column("tenant", PlainText, nullable=False),
    Column("owner", PlainText, nullable=False),
    Column("title", PlainText),
    Column("agent", PlainText, nullable=False),  # of the newest generation
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index(None, "tenant", "owner", "updated_at"),
)

messages = Table(
    "messages",
    metadata,
    _ordinal(),
    _belongs_to("conversation"),
    Column("id", PlainText, nullable=False),
    Column("parent_id", PlainText),
    Column("role", PlainText, nullable=False),
    Column("parts", Json, nullable=False),
    Column("unfinished", Boolean, nullable=False),
    Column("error", Json),
    Column("usage", Json),
    Column("cost", Float),
    Column("created_at", UtcDateTime, nullable=False),
    Column("generation_id", PlainText),
    Column("attachments", Json, nullable=False),
    Column("metadata", Json, nullable=False),
    # Clients mint message ids: within one conversation only, or one user's id could meet another user's message.
    UniqueConstraint("conversation_id", "id"),
)

generations = Table(
    "generations",
    metadata,
    Column("id", PlainText, primary_key=True),
    _belongs_to("conversation"),
    Column("tenant", PlainText, nullable=False),
    Column("owner", PlainText, nullable=False),
    Column("request", Json, nullable=False),
    Column("text", PlainText, nullable=False),
    Column("parent_message_id", PlainText),
    Column("user_message_id", PlainText, nullable=False),
    Column("response_message_id", PlainText, nullable=False),
    Column("status", PlainText, nullable=False),
    Column("error", Json),
    Column("totals", Json),
    Column("idempotency_key", PlainText),
    Column("body_digest", PlainText, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    UniqueConstraint("tenant", "owner", "idempotency_key"),
    Index(None, "conversation_id", "created_at"),
    Index(None, "tenant", "owner", "created_at"),
)

turns = Table(
    "turns",
    metadata,
    _belongs_to("generation", primary_key=True),
    Column("turn", Integer, primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("parts", Json, nullable=False),
    Column("finish_reason", PlainText, nullable=False),
    Column("usage", Json, nullable=False),
    Column("cost", Float),
    Column("failures", Integer, nullable=False),
)

tool_calls = Table(
    "tool_calls",
    metadata,
    _belongs_to("generation", primary_key=True),
    Column("call_id", PlainText, primary_key=True),
    Column("turn", Integer, nullable=False),
    Column("place", Integer, nullable=False),  # among the calls of its turn
    Column("name", PlainText, nullable=False),
    Column("arguments", Json, nullable=False),
    Column("status", PlainText, nullable=False),
    Column("run", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("output", PlainText),
    Column("is_error", Boolean),
    Column("duration_ms", Integer, nullable=False),
    Column("reason", PlainText),
    Column("decided_by_id", PlainText),
    Column("decided_by_name", PlainText),
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", PlainText, primary_key=True),
    _belongs_to("generation"),
    Column("tenant", PlainText, nullable=False),  # with the owner once more: the inbox is looked into all the time
    Column("owner", PlainText, nullable=False),
    Column("approval", Json, nullable=False),
    Column("status", PlainText, nullable=False),
    Index(None, "generation_id"),
    Index(None, "tenant", "owner", "status", "id"),
    Index(None, "tenant", "status", "id"),
)

approvers = Table(
    "approvers",  # the roles that may decide an approval; none: its owner does
    metadata,
    _belongs_to("approval", primary_key=True),
    Column("role", PlainText, primary_key=True),
)

decisions = Table(
    "decisions",
    metadata,
    _ordinal(),
    _belongs_to("generation"),
    Column("approval_id", PlainText, nullable=False),
    Column("call_id", PlainText, nullable=False),
    Column("decision", PlainText, nullable=False),
    Column("by", Json, nullable=False),
    Column("by_id", PlainText, nullable=False),  # once more: who approves a call together with others counts once
    Column("at", UtcDateTime, nullable=False),
    Column("reason", PlainText),
    Column("arguments", Json),
    Column("text", PlainText),
    Column("answers", Json),
    Column("via", PlainText),
    Column("client", PlainText),
    UniqueConstraint("approval_id", "call_id", "by_id", "decision"),
    Index(None, "generation_id"),
)

grants = Table(
    "grants",
    metadata,
    _belongs_to("conversation", primary_key=True),
    Column("tool", PlainText, primary_key=True),
    Column("by", Json, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

steers = Table(
    "steers",
    metadata,
    _belongs_to("generation", primary_key=True),
    Column("turn", Integer, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("text", PlainText, nullable=False),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", PlainText, primary_key=True),
    Column("tenant", PlainText, nullable=False),
    Column("url", PlainText, nullable=False),
    Column("events", Json, nullable=False),
    Column("secret", PlainText, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("disabled_at", UtcDateTime),
    Index(None, "tenant", "created_at"),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", PlainText, primary_key=True),
    Column("webhook_id", PlainText, nullable=False),  # no foreign key: those of the configuration have no row
    _belongs_to("generation"),
    Column("event", PlainText, nullable=False),
    Column("body", PlainText),  # until it is delivered or given up
    Column("status", PlainText, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("response_status", Integer),
    Column("error", PlainText),
    Column("created_at", UtcDateTime, nullable=False),
    Column("attempted_at", UtcDateTime),
    Index(None, "webhook_id", "created_at", "id"),
    Index(None, "generation_id"),
)
