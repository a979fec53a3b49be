"""The step that keeps what was said by a model call whose worker is lost for good."""

from temporalio import activity

from activities.model import EPOCHS_PER_TURN, ModelStep
from activities.reply import cut
from domain.content import ReasoningPart, TextPart, Usage, is_empty
from domain.facts import ModelCut
from domain.model import Model
from domain.ports import Log, Store
from domain.prompt import CHARS_PER_TOKEN
from domain.record import TurnRecord

AFTER_ALL = EPOCHS_PER_TURN - 1  # an attempt above those that were made: none of them can take its place in the store


class LostSteps:
    """Needs the log for what people have seen, the store to keep it, and the model for its price."""

    def __init__(self, model: Model, store: Store, log: Log) -> None:
        self._model, self._store, self._log = model, store, log

    @activity.defn(name="keep_lost")
    async def keep_lost(self, step: ModelStep) -> ModelCut:
        """Keep the text and reasoning of this turn that reached the log. Safe to run twice: it is written once, under
        an attempt of its own. Without the log nothing is left to keep.
        """
        parts = await self._shown(step)
        usage = Usage(output_tokens=sum(len(part.text) for part in parts) // CHARS_PER_TOKEN, estimated=True)
        stored = await self._store.load(step.generation_id)
        record = TurnRecord(
            turn=step.turn,
            attempt=AFTER_ALL,
            parts=parts,
            finish_reason="cut",
            usage=usage,
            cost=self._model.cost(stored.request.agent.model, usage),
        )
        if parts:
            await self._store.save_turn(step.generation_id, record)
        return cut(record)

    async def _shown(self, step: ModelStep) -> tuple[TextPart | ReasoningPart, ...]:
        view = await self._log.view(step.generation_id)
        if view is None or view.message is None or view.turn != step.turn:
            return ()
        said = view.message.parts[view.turn_offset :]
        return tuple(part for part in said if isinstance(part, TextPart | ReasoningPart) and not is_empty(part))
