"""The one way the embedded stack refuses to start: what is wrong, and what to do about it."""


class CannotStart(Exception):
    """Something the stack needs is missing, taken or broken; the message ends in a remedy for the person reading it."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}. Do: {remedy}")
