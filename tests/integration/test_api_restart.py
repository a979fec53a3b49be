"""A stack stopped and started with another configuration: what is paused stays as it began; what is old goes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.configurations import agent, configuration, write
from tests.outsider import a_word, asked_of, deciding, said, text_of, types, writing, written
from tests.provider.process import ProviderProcess
from tests.stack import JsonDict, fermata_dev

pytest_plugins = ["tests.workshop"]


async def test_a_paused_answer_goes_on_as_it_began_under_another_configuration(
    provider: ProviderProcess, free_ports: Callable[[int], int], tmp_path: Path
) -> None:
    """And what starts after the change follows the new one: here, with approvals off. Logs are kept for a second."""
    port, data, word = free_ports(10), tmp_path / "data", a_word()

    def configured(clerk: JsonDict, **differences: Any) -> tuple[str, str]:
        always = {"agents": {"clerk": clerk, "other": agent()}, "title": {"enabled": False}, "retention": {"log": "1s"}}
        file = write(tmp_path, configuration(provider.url, **always, **differences))
        return "--config", str(file)

    asked = {"ask": ["write_book"], "allow": ["*"], "reason": "the old rules"}
    old = agent("patient:old", instructions=f"Old {word}.", parameters={"temperature": 0.25}, policy=asked)
    async with fermata_dev(port, data, *configured(old)) as stack:
        paused = await stack.start(writing(word), agent="clerk", timezone="Asia/Tokyo")
        before = await stack.paused(paused["id"])

    new = agent("hasty:new", name="New clerk", instructions="New.", policy={"deny": ["*"]}, tools=["clock"])
    async with fermata_dev(port, data, *configured(new, policy={"enabled": False})) as stack:
        view = await stack.view(paused["id"])
        assert view == before
        async for first, _ in stack.events(paused["id"], 0):
            assert first == 1  # paused for longer than logs are kept after an end
            break
        assert (await stack.decide(paused["id"], deciding(view["approvals"][0]))).status_code in (200, 202)
        ended = await stack.finished(paused["id"])
        assert (ended["outcome"], ended["agent"]["model"]) == ("completed", "patient:old")
        assert written(stack, word) == [word]
        requests = [record.body for record in await asked_of(provider, word)]
        assert [(body["model"], body["temperature"]) for body in map(as_dict, requests)] == [("old", 0.25)] * 2
        assert all(f"Old {word}." in str(body["messages"][0]) for body in map(as_dict, requests))

        fresh = await stack.start("use clock {}", agent="clerk")
        events = await stack.read(fresh["id"])
        assert events[-1][1]["outcome"] == "completed"
        assert not {"approval.requested", "generation.paused"} & set(types(events))
        assert (await stack.view(fresh["id"]))["agent"] == {"id": "clerk", "name": "New clerk", "model": "hasty:new"}

        view = await stack.until(fresh["id"], lambda view: view["cursor"] == 0)  # read from the record: the log is gone
        assert (await stack.http.get(f"/api/generations/{fresh['id']}/events")).status_code == 204
        assert view["outcome"] == "completed"
        assert view["message"] == events[-1][1]["message"] == (await said(stack, fresh["conversation_id"]))[-1]
        assert text_of(view["message"])


def as_dict(body: object) -> JsonDict:
    assert isinstance(body, dict)
    return body
