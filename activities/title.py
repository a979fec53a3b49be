"""The step that names a conversation, beside its first answer. Its failure harms nothing."""

from datetime import timedelta

from temporalio import activity

from activities import metrics
from activities.heartbeat import supervised
from domain.content import TextPart, Value
from domain.errors import ModelCallError
from domain.facts import TitleMade
from domain.ids import GenerationId
from domain.model import Model, ModelReply, ModelRequest
from domain.ports import Store
from domain.prompt import UserSaid

INSTRUCTIONS = "Write a title for a conversation that begins with this message: at most six words, no quotes."
TITLE_CHARS = 80
EXCERPT_CHARS = 2_000
PATIENCE = timedelta(seconds=30)


class TitleStep(Value):
    generation_id: GenerationId


class TitleSteps:
    """Needs the model and the store."""

    def __init__(self, model: Model, store: Store) -> None:
        self._model, self._store = model, store

    @activity.defn(name="make_title")
    async def make_title(self, step: TitleStep) -> TitleMade:
        """A title, or none. Safe to run twice: it changes nothing, and a second title is as good as the first."""
        return await supervised(self._title(step), leave_at_shutdown=True)

    async def _title(self, step: TitleStep) -> TitleMade:
        stored = await self._store.load(step.generation_id)
        agent = stored.request.agent
        if agent.title_model is None or await self._store.title(stored.request.conversation_id):
            return TitleMade()
        request = ModelRequest(
            model=agent.title_model,
            instructions=INSTRUCTIONS,
            said=[UserSaid(text=stored.text[:EXCERPT_CHARS])],
            tools=(),
            parameters={},
            first_byte_timeout=PATIENCE,
            silence_timeout=PATIENCE,
        )
        try:
            async for chunk in self._model.stream(request):
                if isinstance(chunk, ModelReply):
                    metrics.model_called(request.model, "replied", chunk.finish_reason, chunk.usage)
                    text = "".join(part.text for part in chunk.parts if isinstance(part, TextPart))
                    return TitleMade(title=clean(text), usage=chunk.usage, cost=chunk.cost)
        except ModelCallError as error:
            activity.logger.info("no title: %s", error.code)
            metrics.model_called(request.model, "failed", error.code)
        return TitleMade()


def clean(text: str) -> str | None:
    """One line without quotes and markup, cut to fit a list; None if nothing is left."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    line = line.strip("\"'“”«»*#`. ").removeprefix("Title:").strip()
    return line[:TITLE_CHARS].rstrip() or None
