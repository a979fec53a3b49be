"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite counts up by itself in a column of exactly the type INTEGER only.
ORDINAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("title", sa.Text()),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_conversations"),
    )
    op.create_index("ix_conversations_tenant_owner_updated_at", "conversations", ["tenant", "owner", "updated_at"])
    op.create_table(
        "generations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("parent_message_id", sa.Text()),
        sa.Column("user_message_id", sa.Text(), nullable=False),
        sa.Column("response_message_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error", sa.JSON()),
        sa.Column("totals", sa.JSON()),
        sa.Column("idempotency_key", sa.Text()),
        sa.Column("body_digest", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name="fk_generations_conversation_id_conversations",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_generations"),
        sa.UniqueConstraint("tenant", "owner", "idempotency_key", name="uq_generations_tenant_owner_idempotency_key"),
    )
    op.create_index("ix_generations_conversation_id_created_at", "generations", ["conversation_id", "created_at"])
    op.create_index("ix_generations_tenant_owner_created_at", "generations", ["tenant", "owner", "created_at"])
    op.create_table(
        "messages",
        sa.Column("ordinal", ORDINAL, autoincrement=True, nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Text()),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("parts", sa.JSON(), nullable=False),
        sa.Column("unfinished", sa.Boolean(), nullable=False),
        sa.Column("error", sa.JSON()),
        sa.Column("usage", sa.JSON()),
        sa.Column("cost", sa.Float()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("generation_id", sa.Text()),
        sa.Column("attachments", sa.JSON(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name="fk_messages_conversation_id_conversations",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("ordinal", name="pk_messages"),
        sa.UniqueConstraint("conversation_id", "id", name="uq_messages_conversation_id_id"),
    )
    op.create_table(
        "approvals",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("generation_id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("approval", sa.JSON(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["generation_id"], ["generations.id"], name="fk_approvals_generation_id_generations", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_approvals"),
    )
    op.create_index("ix_approvals_generation_id", "approvals", ["generation_id"])
    op.create_index("ix_approvals_tenant_owner_status_id", "approvals", ["tenant", "owner", "status", "id"])
    op.create_table(
        "decisions",
        sa.Column("ordinal", ORDINAL, autoincrement=True, nullable=False),
        sa.Column("generation_id", sa.Text(), nullable=False),
        sa.Column("approval_id", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("by", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("arguments", sa.JSON()),
        sa.Column("text", sa.Text()),
        sa.Column("via", sa.Text()),
        sa.Column("client", sa.Text()),
        sa.ForeignKeyConstraint(
            ["generation_id"], ["generations.id"], name="fk_decisions_generation_id_generations", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("ordinal", name="pk_decisions"),
        sa.UniqueConstraint("approval_id", "call_id", name="uq_decisions_approval_id_call_id"),
    )
    op.create_index("ix_decisions_generation_id", "decisions", ["generation_id"])
    op.create_table(
        "steers",
        sa.Column("generation_id", sa.Text(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["generation_id"], ["generations.id"], name="fk_steers_generation_id_generations", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("generation_id", "turn", "place", name="pk_steers"),
    )
    op.create_table(
        "tool_calls",
        sa.Column("generation_id", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("output", sa.Text()),
        sa.Column("is_error", sa.Boolean()),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("decided_by_id", sa.Text()),
        sa.Column("decided_by_name", sa.Text()),
        sa.ForeignKeyConstraint(
            ["generation_id"], ["generations.id"], name="fk_tool_calls_generation_id_generations", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("generation_id", "call_id", name="pk_tool_calls"),
    )
    op.create_table(
        "turns",
        sa.Column("generation_id", sa.Text(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("parts", sa.JSON(), nullable=False),
        sa.Column("finish_reason", sa.Text(), nullable=False),
        sa.Column("usage", sa.JSON(), nullable=False),
        sa.Column("cost", sa.Float()),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["generation_id"], ["generations.id"], name="fk_turns_generation_id_generations", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("generation_id", "turn", name="pk_turns"),
    )
