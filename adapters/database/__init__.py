"""The record: what was asked, said and decided, in SQLite or PostgreSQL. Temporal decides, the record remembers."""

from adapters.database.engine import Database
from adapters.database.queries import Queries
from adapters.database.starts import Starts
from adapters.database.store import DatabaseStore

__all__ = ["Database", "DatabaseStore", "Queries", "Starts"]
