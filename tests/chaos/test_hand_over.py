"""A worker leaves in order (SIGTERM, a deploy): what it streams goes on elsewhere, and nothing is held against it."""

from random import Random
from uuid import uuid4

from tests.chaos.answer import Observation
from tests.chaos.battered import Battered
from tests.chaos.reader import Frame
from tests.chaos.verdict import judge, told
from tests.provider.process import ProviderProcess
from tests.provider.script import Cut, Reply, Text

SOON = 2.0  # seconds
ENDLESS = "slow 4000"


async def test_a_worker_that_leaves_hands_its_answer_over_and_that_is_no_abort(stack: Battered) -> None:
    async with Observation(stack.urls, Random(1)) as observation:
        answer = await observation.start(ENDLESS, "shop")
        await answer.until(lambda frame: speaks(frame, attempt=1))
        stack.leave(await stack.worker_of(answer))
        again = await answer.until(lambda frame: speaks(frame, attempt=2))
        before = answer.frames[answer.frames.index(again) - 2]
        assert speaks(before, attempt=1)
        assert again.at - before.at < SOON
        assert (await observation.abort(answer)).json()["status"] == "aborted"
    await judge(stack.stack, answer)
    assert answer.outcome == "aborted"
    assert told(answer)[0].startswith("word1 word2")


async def test_a_worker_that_leaves_is_no_failure_of_the_provider(stack: Battered, provider: ProviderProcess) -> None:
    """The narrator allows two attempts; the second provider error would be the end, and this is the first."""
    word = f"w{uuid4().hex}"
    await provider.script(
        Reply(match=word, steps=(Text(text="and so on " * 1_000, rate=20),)),
        Reply(match=word, steps=(Text(text="It was about to"), Cut())),
        Reply(match=word, steps=(Text(text="It worked."),)),
    )
    async with Observation(stack.urls, Random(1)) as observation:
        answer = await observation.start(word, "narrator")
        await answer.until(lambda frame: speaks(frame, attempt=1))
        stack.leave(await stack.worker_of(answer))
    await judge(stack.stack, answer)
    assert answer.outcome == "completed"
    assert told(answer) == ["It worked."]


def speaks(frame: Frame, *, attempt: int) -> bool:
    return frame.type == "text.delta" and bool(frame.data["attempt"] == attempt)
