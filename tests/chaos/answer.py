"""Answers under observation: started, read by three readers each and decided by a person, whatever dies meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import cycle
from random import Random
from types import TracebackType
from typing import Self
from uuid import uuid4

import httpx2

from tests.chaos.reader import COMES_BACK_AFTER, Frame, Reader
from tests.stack import JsonDict

Person = Callable[[JsonDict], Awaitable[JsonDict]]
"""What somebody says, sooner or later, to a call they are asked about."""

LATE = timedelta(seconds=3)
PATIENCE = timedelta(seconds=60)
ANSWERED_WITHIN = timedelta(seconds=30)
NOT_NOW = frozenset({502, 503})


async def approves(call: JsonDict) -> JsonDict:
    return {"call_id": call["call_id"], "decision": "approve"}


@dataclass
class Answer:
    """`readers`: one was there from the start, one comes late, one is cut again and again.

    `refusals` are the decisions that nobody took, `asked` the approvals that somebody has begun to decide.
    """

    id: str
    conversation: str
    response_message: str
    readers: list[Reader]
    refusals: list[JsonDict] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    waiting: list[tuple[Callable[[Frame], bool], asyncio.Future[Frame]]] = field(default_factory=list)

    @property
    def frames(self) -> list[Frame]:
        return self.readers[0].frames

    @property
    def over(self) -> bool:
        return bool(self.frames) and self.frames[-1].type == "generation.finished"

    @property
    def outcome(self) -> str:
        return str(self.frames[-1].data["outcome"])

    async def until(self, wanted: Callable[[Frame], bool]) -> Frame:
        """The first frame of that kind."""
        for frame in self.frames:
            if wanted(frame):
                return frame
        coming: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self.waiting.append((wanted, coming))
        async with asyncio.timeout(PATIENCE.total_seconds()):
            return await coming

    def hear(self, frame: Frame) -> None:
        for wanted, coming in self.waiting:
            if not coming.done() and wanted(frame):
                coming.set_result(frame)


class Observation:
    """Starts answers and stays with them; leaving it waits until everybody has seen the end of all of them."""

    def __init__(self, urls: Sequence[str], random: Random, person: Person = approves) -> None:
        self._urls, self._random, self._person = urls, random, person
        self._group = asyncio.TaskGroup()
        self._http = httpx2.AsyncClient(trust_env=False, timeout=ANSWERED_WITHIN.total_seconds())
        self.answers: list[Answer] = []

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                await self._group.__aexit__(kind, error, traceback)
        except TimeoutError:
            stuck = {a.id: [frame.type for frame in a.frames[-3:]] for a in self.answers if not a.over}
            raise AssertionError(f"these did not end: {stuck}") from None
        finally:
            await self._http.__aexit__()

    async def start(self, text: str, agent: str, **fields: object) -> Answer:
        """Whoever dies: the same key, so one answer."""
        body = {"input": {"text": text}, "agent": agent, **fields}
        response = await self._insist("/api/generations", body, key=str(uuid4()))
        assert response.status_code in (200, 201), response.text
        return self.observe(response.json())

    def observe(self, started: JsonDict) -> Answer:
        """Be there for an answer that was started by somebody else."""
        generation = started["id"]
        from_the_start = Reader(self._urls, generation, cursor=0)
        late = Reader(self._urls[::-1], generation)
        cut = Reader(self._urls, generation, cursor=0, stays=self._random.randint(3, 12))
        readers = [from_the_start, late, cut]
        answer = Answer(generation, started["conversation_id"], started["response_message_id"], readers)
        from_the_start.tell = lambda frame: self._look(answer, frame)
        self._group.create_task(from_the_start.read())
        self._group.create_task(_after(self._random.uniform(0, LATE.total_seconds()), late))
        self._group.create_task(cut.read())
        self.answers.append(answer)
        return answer

    async def abort(self, answer: Answer) -> httpx2.Response:
        return await self._insist(f"/api/generations/{answer.id}/abort", {})

    def _look(self, answer: Answer, frame: Frame) -> None:
        answer.hear(frame)
        match frame.type:
            case "approval.requested":
                approvals = [frame.data["approval"]]
            case "snapshot":  # after a gap
                approvals = frame.data["view"]["approvals"]
            case _:
                approvals = []
        for approval in approvals:
            if approval["id"] not in answer.asked:
                answer.asked.add(approval["id"])
                self._group.create_task(self._decide(answer, approval))

    async def _decide(self, answer: Answer, approval: JsonDict) -> None:
        """Again and again until somebody has taken it: then it counts, or it is refused."""
        body = {"approval_id": approval["id"], "decisions": [await self._person(call) for call in approval["calls"]]}
        response = await self._insist(f"/api/generations/{answer.id}/decisions", body, key=approval["id"])
        if response.status_code not in (200, 202) and response.json()["code"] != "already_decided":
            answer.refusals.append(response.json())

    async def _insist(self, path: str, body: JsonDict, key: str | None = None) -> httpx2.Response:
        """Ask one server after the other until one can answer."""
        headers = {} if key is None else {"Idempotency-Key": key}
        for url in cycle(self._urls):
            try:
                response = await self._http.post(f"{url}{path}", json=body, headers=headers)
                if response.status_code not in NOT_NOW:
                    return response
            except httpx2.TransportError:
                pass
            await asyncio.sleep(COMES_BACK_AFTER.total_seconds())
        raise AssertionError("nobody to ask")


async def _after(seconds: float, reader: Reader) -> None:
    await asyncio.sleep(seconds)
    await reader.read()
