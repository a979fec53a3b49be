"""Where notes are kept: one Markdown file each, named after its title."""

import re
from pathlib import Path


def directory(data_dir: Path) -> Path:
    return data_dir / "notes"


def path_of(data_dir: Path, title: str) -> Path:
    """The file of a title. Only letters, digits and hyphens get into its name, so it stays in its directory."""
    slug = re.sub(r"[\W_]+", "-", title.casefold()).strip("-")[:60].strip("-")
    return directory(data_dir) / f"{slug or 'note'}.md"
