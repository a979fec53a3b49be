"""The terminal commands as processes, against the whole product."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.stack import ROOT, Stack

PATIENCE_SECONDS = 30
NOTE = 'use write_note {"title": "Tea", "text": "Earl Grey"}'
SERVERS = ("TEMPORAL_ADDRESS", "REDIS_URL", "DATABASE_URL", "FERMATA_SECRET", "FERMATA_CONFIG")


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Run = Callable[..., Awaitable[Ended]]


@pytest.fixture
def run(stack: Stack) -> Run:
    """Run a command to its end; `said` is what comes from the pipe."""

    async def to_the_end(*command: str, said: str = "", url: str = stack.url) -> Ended:
        process = await begin(command, url)
        async with asyncio.timeout(PATIENCE_SECONDS):
            out, err = await process.communicate(said.encode())
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())

    return to_the_end


@dataclass
class Chat:
    """A chat that goes on while the test does other things."""

    process: Process
    out: str = ""

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())

    async def until(self, wanted: str) -> str:
        """What was written, once it has `wanted` in it."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            while wanted not in self.out:
                chunk = await self.process.stdout.read(65536)
                assert chunk, f"the chat ended without {wanted!r}: {self.out}"
                self.out += chunk.decode()
        return self.out


@pytest.fixture
async def chat(stack: Stack) -> AsyncIterator[Chat]:
    process = await begin(("chat",), stack.url)
    yield Chat(process)
    with suppress(ProcessLookupError):
        process.kill()
    await process.communicate()


async def begin(command: tuple[str, ...], url: str) -> Process:
    environment = {**os.environ, "FERMATA_URL": url, "PYTHONUNBUFFERED": "1"}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "cli", *command), cwd=ROOT, env=environment, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )


def waiting_approval(out: str) -> str:
    found = re.search(r"apr_\w+", out)
    assert found is not None, out
    return found[0]


async def test_each_line_of_a_pipe_is_answered(run: Run) -> None:
    ended = await run("chat", said='hello moon\nuse calculator {"expression": "6*7"}\n')
    assert (ended.code, ended.err) == (0, "")
    assert "You said:\n\n> hello moon\n" in ended.out
    assert '⚙ calculator  expression: "6*7"\n✓ calculator  42\n' in ended.out
    assert ended.out.endswith("out · $0.00\n› \n")


async def test_lines_belong_to_one_conversation_until_a_new_one_begins(stack: Stack, run: Run) -> None:
    before = {item["id"] for item in (await stack.http.get("/api/conversations?limit=200")).json()["items"]}
    assert (await run("chat", said="one\ntwo\n/new\nthree\n/quit\nfour\n")).code == 0
    after = {item["id"] for item in (await stack.http.get("/api/conversations?limit=200")).json()["items"]}
    counts = []
    for conversation in after - before:
        messages = (await stack.http.get(f"/api/conversations/{conversation}/messages")).json()["items"]
        counts.append(len(messages))
    assert sorted(counts) == [2, 4]


async def test_an_approval_is_asked_for_in_the_middle_of_the_answer(run: Run) -> None:
    ended = await run("chat", said=f'{NOTE}\ne {{"title": 1, "text": "x"}}\ne {{"title": "Tea", "text": "Green"}}\n')
    assert ended.code == 0
    assert '      "text": "Earl Grey"\n' in ended.out
    assert '/title: 1 is not of type "string"' in ended.out
    assert "✓ edited and approved write_note (by local)\n" in ended.out
    assert '⚙ write_note  title: "Tea", text: "Green"\n' in ended.out


async def test_a_refused_tool_does_not_run(run: Run) -> None:
    ended = await run("chat", said=f"{NOTE}\nr not today\n")
    assert ended.code == 0
    assert "✗ rejected write_note (by local): not today\n" in ended.out
    assert "⚙ write_note" not in ended.out


async def test_questions_are_asked_in_the_middle_of_the_answer(run: Run) -> None:
    ended = await run("chat", said="ask Which one? red | green\n3\n2\n")
    assert (ended.code, ended.err) == (0, "")
    assert "  Which one?\n    1. red\n    2. green\n" in ended.out
    assert "✗ There are options 1 to 2." in ended.out
    assert "✓ answered: green (by local)\n" in ended.out
    assert ended.out.count("✓") == 1


async def test_a_question_that_waits_is_answered_and_not_approved(run: Run) -> None:
    ended = await run("chat", said="ask Which one? red | green\n")
    approval = waiting_approval(ended.err)
    assert (ended.code, f"fermata answer {approval}" in ended.err) == (2, True)
    assert re.search(rf"^{approval} +Assistant +asks: Which one\?", (await run("approvals")).out, re.MULTILINE)
    approved = await run("approve", approval)
    assert (approved.code, f"fermata answer {approval}" in approved.err) == (2, True)
    wrong = await run("answer", approval, "red", "green")
    assert wrong.err.startswith("error: Give one answer for each question: Which one? (a number")
    answered = await run("answer", approval, "green")
    assert re.fullmatch(rf"{approval}: answered ask_user by local at \d\d:\d\d\n", answered.out)


async def test_an_approval_that_nobody_answers_waits_and_can_be_approved_later(stack: Stack, run: Run) -> None:
    ended = await run("chat", said=f"{NOTE}\n")
    approval = waiting_approval(ended.err)
    assert ended.code == 2
    listed = (await run("approvals")).out
    assert re.search(rf'^{approval} +Assistant +write_note +title: "Tea", text: "Earl Grey" ', listed, re.MULTILINE)
    approved = await run("approve", approval)
    assert (approved.code, approved.err) == (0, "")
    assert re.fullmatch(rf"{approval}: approved write_note by local at \d\d:\d\d\n", approved.out)
    again = await run("approve", approval)
    assert again.code == 2
    assert again.err.startswith(f"error: No approval '{approval}' waits for you")
    assert approval not in (await run("approvals")).out


async def test_a_rejection_from_the_shell_tells_the_model_why(stack: Stack, run: Run) -> None:
    started = await stack.start(NOTE)
    approval = (await stack.paused(started["id"]))["approvals"][0]["id"]
    rejected = await run("reject", approval, "--reason", "too much tea")
    assert rejected.code == 0
    assert f"{approval}: rejected write_note by local" in rejected.out
    view = await stack.finished(started["id"])
    assert any("too much tea" in (part.get("output") or "") for part in view["message"]["parts"])


async def test_a_late_answer_changes_nothing_and_is_told_who_decided(run: Run, chat: Chat) -> None:
    chat.say(NOTE)
    approval = waiting_approval(await chat.until("[w]ait"))
    assert (await run("reject", approval, "--reason", "first")).code == 0
    chat.say("a")
    out = await chat.until("out · $0.00\n")
    assert "✗ This was already decided: rejected write_note by local at" in out
    assert "⚙ write_note" not in out


async def test_one_may_wait_for_somebody_elses_decision(run: Run, chat: Chat) -> None:
    chat.say(NOTE)
    approval = waiting_approval(await chat.until("[w]ait"))
    chat.say("w")
    await chat.until("Waiting for somebody else's decision")
    assert (await run("approve", approval)).code == 0
    assert "✓ approved write_note (by local)\n" in await chat.until("out · $0.00\n")


async def test_ctrl_c_stops_the_answer_and_the_conversation_goes_on(chat: Chat) -> None:
    chat.say("slow 400")
    await chat.until("word3 ")
    chat.process.send_signal(signal.SIGINT)
    await chat.until("■ stopped\n")
    chat.say("hello again")
    assert "word400" not in await chat.until("> hello again\n")


async def test_ctrl_c_at_an_approval_stops_the_answer(chat: Chat) -> None:
    chat.say(NOTE)
    await chat.until("[w]ait")
    chat.process.send_signal(signal.SIGINT)
    assert "⚙ write_note" not in await chat.until("■ stopped\n")


async def test_a_killed_api_costs_the_reader_nothing(stack: Stack, chat: Chat) -> None:
    chat.say("slow 100")
    await chat.until("word5 ")
    stack.kill("api-1")
    out = await chat.until("out · $0.00\n")
    assert re.findall(r"word\d+", out) == [f"word{number}" for number in range(1, 101)]


async def test_tail_prints_every_event_once_and_ends_with_the_generation(stack: Stack, run: Run) -> None:
    started = await stack.start("slow 20")
    ended = await run("tail", started["id"])
    assert (ended.code, ended.err) == (0, "")
    lines = [each.split(maxsplit=2) for each in ended.out.splitlines()]
    assert [int(number) for number, *_ in lines] == list(range(1, len(lines) + 1))
    assert lines[0][1] == "generation.started"
    assert [kind for _, kind, _ in lines].index("generation.finished") == len(lines) - 1
    rest = await run("tail", started["id"], "--after", str(len(lines) - 2))
    assert rest.out.splitlines() == ended.out.splitlines()[-2:]
    nothing = await run("tail", started["id"], "--after", str(len(lines)))
    assert (nothing.code, nothing.out) == (0, "")


async def test_what_is_unknown_is_a_sentence(run: Run) -> None:
    assert await run("tail", "gen_nobody") == Ended(2, "", "error: There is no generation 'gen_nobody'.\n")
    unknown = await run("chat", "nobody")
    assert (unknown.code, unknown.out) == (2, "")
    assert unknown.err.startswith("error: There is no agent 'nobody'. There are: assistant, ")


@pytest.mark.parametrize("command", [("chat",), ("tail", "gen_x"), ("approvals",), ("approve", "apr_x")])
async def test_an_api_that_is_not_there_is_a_sentence(run: Run, command: tuple[str, ...]) -> None:
    ended = await run(*command, url="http://127.0.0.1:9")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "error: The API at http://127.0.0.1:9 does not answer. "
        "Start it with `fermata dev`, or name another with --url.\n"
    )


async def test_a_running_stack_is_in_good_health(stack: Stack, run: Run) -> None:
    port = stack.url.rpartition(":")[2]
    ended = await run("doctor", "--dev-port", port, "--data-dir", str(stack.data_dir))
    assert ended.code == 0, ended.out
    assert {each[0] for each in ended.out.splitlines()} == {"✓"}
    assert [each.split()[1] for each in ended.out.splitlines()] == [
        *("python", "data", "configuration", "provider", "temporal", "attributes", "worker"),
        *("redis", "persistence", "clock", "database"),
    ]


async def test_what_is_missing_is_named_with_its_remedy(
    run: Run, free_ports: Callable[[int], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in SERVERS:
        monkeypatch.delenv(variable, raising=False)
    config = tmp_path / "fermata.yaml"
    config.write_text("agents: {a: {modell: demo:scripted}}\n")
    ended = await run(
        *("doctor", "--dev-port", str(free_ports(10)), "--data-dir", str(tmp_path / "none"), "--config", str(config))
    )
    assert ended.code == 1
    assert f"✗ configuration   {config}, line 1" in ended.out
    for subject, remedy in (
        ("temporal", "TEMPORAL_ADDRESS"),
        ("redis", "REDIS_URL"),
        ("database", "`fermata migrate`"),
    ):
        assert re.search(rf"^✗ {subject} .*\n +→ .*{remedy}", ended.out, re.MULTILINE), ended.out
    assert not (tmp_path / "none").exists()


async def test_a_provider_without_key_or_answer_is_named(
    run: Run, free_ports: Callable[[int], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    port = free_ports(10)
    config = tmp_path / "fermata.yaml"
    config.write_text(
        f"providers: {{local: {{kind: openai, base_url: 'http://127.0.0.1:{port}/v1'}}}}\n"
        "agents: {a: {model: openai:gpt-5}, b: {model: local:tiny}}\n"
    )
    ended = await run("doctor", "--dev-port", str(port), "--data-dir", str(tmp_path), "--config", str(config))
    assert ended.code == 1
    assert "✗ provider openai has no API key\n                  → Set OPENAI_API_KEY" in ended.out
    assert f"✗ provider local  http://127.0.0.1:{port}/v1 cannot be reached" in ended.out
