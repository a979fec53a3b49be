"""What a person has allowed for good in one conversation: it stands for the answer to a question nobody insists on."""

from datetime import datetime
from typing import Final

from domain.content import Actor, Value

MOST_GRANTS: Final = 64  # in one conversation


class Grant(Value):
    """Calls of this tool need no approval any more, where only the mode has them asked."""

    tool: str
    by: Actor
    at: datetime
