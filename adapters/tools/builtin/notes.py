"""Reading notes."""

from adapters.tools.builtin.note_files import directory, path_of
from adapters.tools.python import ToolContext


def notes(context: ToolContext, title: str | None = None) -> str:
    """List all notes, or read one.

    Args:
        title: The note to read. Leave it out for the list.
    """
    if title is None:
        names = sorted(path.stem for path in directory(context.data_dir).glob("*.md"))
        return "\n".join(f"- {name}" for name in names) or "There are no notes yet."
    try:
        return path_of(context.data_dir, title).read_text("utf-8")
    except FileNotFoundError:
        raise LookupError(f"there is no note {title!r}") from None
