"""What a benchmark found, and how that looks as Markdown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Target:
    """A bound we want to stay below, and where we are."""

    what: str
    measured: float
    at_most: float
    unit: str

    @property
    def met(self) -> bool:
        return self.measured <= self.at_most


@dataclass(frozen=True)
class Findings:
    about: str  # what was measured, and how, in a sentence or two
    tables: Sequence[Table]
    targets: Sequence[Target] = ()


def section(name: str, findings: Findings) -> str:
    tables = [*findings.tables, *_verdicts(findings.targets)]
    return "\n\n".join([f"### {name}", findings.about, *map(_markdown, tables)]) + "\n"


def _verdicts(targets: Sequence[Target]) -> Iterable[Table]:
    if targets:
        rows = [
            (
                each.what,
                f"{each.measured:.3g} {each.unit}",
                f"≤ {each.at_most:g} {each.unit}",
                "met" if each.met else "**missed**",
            )
            for each in targets
        ]
        yield Table(("target", "measured", "wanted", ""), rows)


def _markdown(table: Table) -> str:
    lines = [table.columns, ["---"] * len(table.columns), *table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
