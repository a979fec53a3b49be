"""Writing a note."""

import os

from adapters.tools.builtin.note_files import path_of
from adapters.tools.python import ToolContext


def write_note(context: ToolContext, title: str, text: str) -> str:
    """Write a note for later. A note of the same title is replaced.

    Args:
        title: A short title, which is also the name of the file.
        text: The note itself, in Markdown.
    """
    path = path_of(context.data_dir, title)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")  # renamed when whole: nobody ever reads half a note
    unfinished.write_text(text.rstrip() + "\n", "utf-8")
    os.replace(unfinished, path)
    return f"Written: notes/{path.name}"
