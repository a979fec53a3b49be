"""A worker that stops dead where an answer tells it to: `python -m tests.chaos.mortal_worker LIFE`.

An answer names the life and the step in its metadata: `{"stops": "1 before announce 3"}`. What has reached its step in
this life goes no further, so to kill the process then is to kill it at all of these steps at once. It says `passed` or
`stopped`, the generation, and the step.
"""

import asyncio
import sys
from collections import Counter
from typing import Any

import temporalio.client
import temporalio.worker
from temporalio import activity
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from activities.announce import Announcement
from settings import load
from worker import make_worker


class Steps(temporalio.client.Interceptor, temporalio.worker.Interceptor):
    """Sees every activity before and after its body. The first of each generation is the announcement of its start."""

    def __init__(self, life: str) -> None:
        self._life = life
        self.stops: dict[str, object] = {}
        self.stopped: set[str] = set()
        self.begun: Counter[tuple[str, str]] = Counter()

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return Step(next, self)

    async def reach(self, generation: str, step: str) -> None:
        if self.stops.get(generation) == f"{self._life} {step}":
            self.stopped.add(generation)
            print("stopped", generation, step, flush=True)
        if generation in self.stopped:
            await asyncio.Event().wait()
        print("passed", generation, step, flush=True)


class Step(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, steps: Steps) -> None:
        super().__init__(next)
        self._steps = steps

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        match input.args[0]:
            case Announcement(request=request):
                generation = request.generation_id
                self._steps.stops[generation] = request.metadata.get("stops")
            case step:
                generation = step.generation_id
        name = activity.info().activity_type
        self._steps.begun[generation, name] += 1
        number = self._steps.begun[generation, name]
        await self._steps.reach(generation, f"before {name} {number}")
        result = await super().execute_activity(input)
        await self._steps.reach(generation, f"after {name} {number}")
        return result


async def main() -> None:
    settings = load()
    client = await temporalio.client.Client.connect(
        settings.environment.temporal_address,
        data_converter=pydantic_data_converter,
        interceptors=[Steps(life=sys.argv[1])],
    )
    async with make_worker(settings, client):
        print("worker ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
