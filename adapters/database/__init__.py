"""The record: what was asked, said and decided, in SQLite or PostgreSQL. Temporal decides, the record remembers."""

from adapters.database.deliveries import DatabaseDeliveries
from adapters.database.engine import Database
from adapters.database.queries import Queries
from adapters.database.starts import Starts
from adapters.database.store import DatabaseStore
from adapters.database.webhooks import RegisteredWebhooks

__all__ = ["Database", "DatabaseDeliveries", "DatabaseStore", "Queries", "RegisteredWebhooks", "Starts"]
