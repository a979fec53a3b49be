"""Server-sent events as model providers send them: every `data` line is one whole payload. Pure."""

MAX_LINE = 8_000_000  # bytes; a "line" beyond it is not a stream of tokens


class Lines:
    """Cuts bytes, however they arrive, into the payloads of `data` lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that are complete now. Raises ValueError for a line without end."""
        *lines, self._rest = (self._rest + data if self._rest else data).split(b"\n")
        if len(self._rest) > MAX_LINE:
            raise ValueError("a line of the stream has no end")
        return [line[5:].strip() for line in lines if line.startswith(b"data:")]
