"""A worker that was taken for dead comes back (SIGSTOP, SIGCONT): what it still has to say is heard by nobody."""

from datetime import timedelta
from random import Random
from uuid import uuid4

from tests.chaos.answer import Observation
from tests.chaos.battered import Battered
from tests.chaos.reader import Frame
from tests.chaos.verdict import judge, told
from tests.provider.process import ProviderProcess
from tests.provider.script import Reply, Text

LEAVES_WITHIN = timedelta(seconds=5)
SECOND_TRY = "The successor takes its time to say this, so that the zombie could still meddle with it. " * 3


async def test_a_zombie_is_refused_and_hangs_up_on_its_provider(stack: Battered, provider: ProviderProcess) -> None:
    word = f"w{uuid4().hex}"
    await provider.reset()
    await provider.script(
        Reply(match=word, steps=(Text(text="the zombie speaks " * 2_000, rate=50),)),
        Reply(match=word, steps=(Text(text=SECOND_TRY, rate=10),)),
    )
    async with Observation(stack.urls, Random(1)) as observation:
        answer = await observation.start(word, "narrator")
        await answer.until(lambda frame: frame.speaks(attempt=1))
        frozen = stack.freeze(await stack.worker_of(answer))
        await answer.until(succeeds)
        assert (await provider.stats()).disconnects == 0
        stack.thaw(frozen)
        await provider.until(lambda stats: stats.disconnects > 0 and stats.live == 1, LEAVES_WITHIN)
        assert not answer.over
    await judge(stack.stack, answer)
    assert told(answer) == [SECOND_TRY]


def succeeds(frame: Frame) -> bool:
    """Not always the second attempt: the engine may have handed that one to the frozen worker as well."""
    return frame.type == "text.delta" and bool(frame.data["attempt"] > 1)
