"""Brings a database to the newest schema."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from adapters.database.engine import Database

MIGRATIONS = Path(__file__).parents[2] / "migrations"
ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('fermata/migrations'))")


def migrate(url: str) -> None:
    """For the command line, which has no event loop yet."""
    asyncio.run(upgrade(url))


async def upgrade(url: str) -> None:
    """All migrations that are missing, in one transaction; several processes may try at once."""
    database = Database(url)
    try:
        async with database.writing() as connection:  # on SQLite this is the lock
            if connection.dialect.name == "postgresql":
                await connection.execute(ONE_AT_A_TIME)
            await connection.run_sync(_upgrade)
    finally:
        await database.close()


def _upgrade(connection: Connection) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, "head")
