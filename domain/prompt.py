"""What the model reads: the conversation so far, turn by turn, with every call followed by its result."""

from collections.abc import Iterator, Sequence

from domain.content import ErrorPart, Message, Part, ReasoningPart, SteerPart, TextPart, ToolCallPart, Value, is_empty

CHARS_PER_TOKEN = 4  # a rough estimate, labelled as one wherever it is shown
NO_RESULT = "There is no result: the answer was stopped before this call ended."


class UserSaid(Value):
    """A message of the user, or a steer."""

    text: str


class ModelSaid(Value):
    """One reply of the model. Its tool calls carry their results; each call has one."""

    parts: tuple[TextPart | ReasoningPart | ToolCallPart, ...]


Said = UserSaid | ModelSaid


def prompt(
    history: Sequence[Message], current: Sequence[Part] = (), *, context_tokens: int | None = None
) -> list[Said]:
    """The messages from the root to the user's question, then what this generation has said itself.

    With a context size (tokens) the oldest exchanges are left out until the estimate fits three quarters of it; a call
    and its result are one value and so are never parted. The last question always stays.
    """
    said = [item for message in history for item in _of_message(message)]
    own = list(_of_parts(current))
    if context_tokens is None:
        return said + own
    room = context_tokens * CHARS_PER_TOKEN * 3 // 4 - sum(map(_size, own))
    return _newest(said, room) + own


def _of_message(message: Message) -> Iterator[Said]:
    if message.role == "user":
        yield UserSaid(text="\n\n".join(part.text for part in message.parts if isinstance(part, TextPart)))
    else:
        yield from _of_parts(message.parts)


def _of_parts(parts: Sequence[Part]) -> Iterator[Said]:
    """Cut a flat message into replies: after tool calls, anything else begins the next one."""
    reply: list[TextPart | ReasoningPart | ToolCallPart] = []
    for part in parts:
        match part:
            case SteerPart(text=text):
                if reply:
                    yield ModelSaid(parts=tuple(reply))
                    reply = []
                yield UserSaid(text=text)
            case ToolCallPart():
                reply.append(part if part.output is not None else part.model_copy(update={"output": NO_RESULT}))
            case TextPart() | ReasoningPart() if not is_empty(part):
                if reply and isinstance(reply[-1], ToolCallPart):
                    yield ModelSaid(parts=tuple(reply))
                    reply = []
                reply.append(part)
            case ErrorPart():
                pass  # for people; the model has nothing to learn from our failures
            case _:
                pass
    if reply:
        yield ModelSaid(parts=tuple(reply))


def _newest(said: Sequence[Said], room: int) -> list[Said]:
    """The newest exchanges that fit, beginning with a user's message and holding at least the last one."""
    starts = [i for i, item in enumerate(said) if isinstance(item, UserSaid)]
    kept, size, end = (starts[-1] if starts else 0), 0, len(said)
    for start in reversed(starts):
        size, end = size + sum(map(_size, said[start:end])), start
        if size > room:
            break
        kept = start
    return list(said[kept:])


def _size(item: Said) -> int:
    """Characters, counted as the provider will read them, give or take the punctuation."""
    match item:
        case UserSaid(text=text):
            return len(text)
        case ModelSaid(parts=parts):
            return sum(
                len(part.name) + len(str(part.arguments)) + len(part.output or "")
                if isinstance(part, ToolCallPart)
                else len(part.text)
                for part in parts
            )
