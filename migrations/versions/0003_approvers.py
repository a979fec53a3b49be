"""Approvers by role, and several people who decide one call."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "approvers",
        sa.Column("approval_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["approvals.id"], name="fk_approvers_approval_id_approvals", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("approval_id", "role", name="pk_approvers"),
    )
    op.create_index("ix_approvals_tenant_status_id", "approvals", ["tenant", "status", "id"])
    op.add_column("decisions", sa.Column("by_id", sa.Text()))
    decisions = sa.table("decisions", sa.column("by", sa.JSON()), sa.column("by_id", sa.Text()))
    op.execute(decisions.update().values(by_id=decisions.c.by["id"].as_string()))
    with op.batch_alter_table("decisions") as table:  # SQLite can alter neither columns nor constraints
        table.alter_column("by_id", existing_type=sa.Text(), nullable=False)
        table.drop_constraint("uq_decisions_approval_id_call_id", type_="unique")
        table.create_unique_constraint(
            "uq_decisions_approval_id_call_id_by_id_decision", ["approval_id", "call_id", "by_id", "decision"]
        )
