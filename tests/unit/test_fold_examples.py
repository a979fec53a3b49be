"""The examples that both folds must agree on; `python -m tests.fold_examples.generate` writes them."""

import json
from pathlib import Path
from typing import get_args

import pytest
from pydantic import TypeAdapter

from domain.events import Event
from domain.view import View, fold
from tests.fold_examples.generate import FOLDER, written

FILES = sorted(FOLDER.glob("*.json"))
NUMBERED: TypeAdapter[list[tuple[int, Event]]] = TypeAdapter(list[tuple[int, Event]])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_events_of_an_example_fold_to_its_view(file: Path) -> None:
    example = json.loads(file.read_text(encoding="utf-8"))
    view = fold(None, NUMBERED.validate_python(example["events"]))
    assert view is not None
    assert view.model_dump(mode="json") == example["view"]
    assert View.model_validate(example["view"]) == view
    assert example["name"] == file.stem


def test_the_examples_are_what_the_machine_says_today() -> None:
    assert {file.name: file.read_text(encoding="utf-8") for file in FILES} == written()


def test_every_event_that_can_change_a_view_is_in_an_example() -> None:
    shown = {event["type"] for file in FILES for _, event in json.loads(file.read_text(encoding="utf-8"))["events"]}
    known = {event.model_fields["type"].default for event in get_args(get_args(Event)[0])}
    assert known == shown
