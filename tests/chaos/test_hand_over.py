"""A worker leaves in order (SIGTERM, a deploy): what it streams goes on elsewhere, and nothing is held against it."""

from random import Random
from uuid import uuid4

from tests.chaos.answer import Observation
from tests.chaos.battered import Battered
from tests.chaos.verdict import judge, told
from tests.provider.process import ProviderProcess
from tests.provider.script import Cut, Reply, Text

SOON = 2.0  # seconds
ENDLESS = "slow 4000"


async def test_a_worker_that_leaves_hands_its_answer_over_and_that_is_no_abort(stack: Battered) -> None:
    async with Observation(stack.urls, Random(1)) as observation:
        answer = await observation.start(ENDLESS, "shop")
        await answer.until(lambda frame: frame.speaks(attempt=1))
        stack.leave(await stack.worker_of(answer))
        again = await answer.until(lambda frame: frame.speaks(attempt=2))
        assert again.at - max(frame.at for frame in answer.frames if frame.speaks(attempt=1)) < SOON
        assert (await observation.abort(answer)).json()["status"] == "aborted"
    await judge(stack.stack, answer)
    assert answer.outcome == "aborted"
    assert told(answer)[0].startswith("word1")


async def test_a_worker_that_leaves_is_no_failure_of_the_provider(stack: Battered, provider: ProviderProcess) -> None:
    """The narrator may fail once and not twice."""
    word, twice = f"w{uuid4().hex}", f"w{uuid4().hex}"
    cut = Reply(match=twice, steps=(Text(text="It was about to"), Cut()))
    await provider.script(cut, cut, Reply(match=twice, steps=(Text(text="Nobody asks for this."),)))
    await provider.script(
        Reply(match=word, steps=(Text(text="and so on " * 1_000, rate=20),)),
        Reply(match=word, steps=(Text(text="It was about to"), Cut())),
        Reply(match=word, steps=(Text(text="It worked."),)),
    )
    async with Observation(stack.urls, Random(1)) as observation:
        failing = await observation.start(twice, "narrator")
        answer = await observation.start(word, "narrator")
        await answer.until(lambda frame: frame.speaks(attempt=1))
        stack.leave(await stack.worker_of(answer))
    await judge(stack.stack, answer)
    await judge(stack.stack, failing)
    assert (answer.outcome, failing.outcome) == ("completed", "failed")
    assert told(answer) == ["It worked."]
