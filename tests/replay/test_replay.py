"""Generations that began under older code go on under this one."""

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from domain.generation import RULES
from tests.replay.record import HISTORIES, SHAPES
from workflows.registration import WORKFLOWS, runner

RECORDED = sorted(HISTORIES.glob("*/*.json"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}/{path.stem}")
async def test_a_recorded_history_replays(path: Path) -> None:
    replayer = Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter, workflow_runner=runner())
    await replayer.replay_workflow(WorkflowHistory.from_json(path.stem, path.read_text()))


@pytest.mark.parametrize("version", range(1, RULES + 1))
def test_every_version_of_the_rules_has_recorded_histories(version: int) -> None:
    recorded = {path.stem for path in RECORDED if path.parent.name == f"rules-{version}"}
    assert recorded >= SHAPES.keys(), "run `python -m tests.replay.record` for the new version of the rules"
