"""What is to be told is put down once and dispatched once, on both databases and with a real engine."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.deliver import DeliverySteps
from activities.notify import Notifier
from adapters.database import Database, DatabaseDeliveries, RegisteredWebhooks
from adapters.temporal import connect
from adapters.temporal_deliveries import TemporalCouriers
from adapters.webhooks import HttpPost
from domain.events import ApprovalExpired, Event, GenerationFinished, TextDelta
from domain.ids import ApprovalId, WebhookId
from domain.start import StartRequest
from domain.webhook import WEBHOOK_EVENTS, Delivery, DeliveryStep, Reception, Webhook, WebhookEvent
from tests.integration.record import NOW, claimed, new_start, opened
from tests.receiver import listening

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EXPIRED = ApprovalExpired(approval_id=ApprovalId("apr_1"), then="end")
ENDED = GenerationFinished(outcome="expired", finished_at=NOW)
SAID = TextDelta(turn=1, attempt=1, part=0, text="on the way")
EVENTS: tuple[Event, ...] = (SAID, EXPIRED, ENDED)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    async with opened(request) as database:
        yield database


@pytest.fixture
async def client(temporal_server: str) -> Client:
    return await connect(temporal_server, "default")


@dataclass
class Office:
    """All that tells webhooks, with a task queue that nobody works for: what is dispatched stays."""

    database: Database
    client: Client
    queue: str

    @property
    def webhooks(self) -> RegisteredWebhooks:
        return RegisteredWebhooks(self.database, "development")

    @property
    def deliveries(self) -> DatabaseDeliveries:
        return DatabaseDeliveries(self.database)

    async def register(self, tenant: str, *events: WebhookEvent, url: str = "http://127.0.0.1:1/") -> Webhook:
        return await self.webhooks.add(
            Webhook(
                id=WebhookId(f"whk_{uuid4().hex}"),
                tenant=tenant,
                url=url,
                events=events or WEBHOOK_EVENTS,
                secret=SECRET,
                created_at=NOW,
            )
        )

    async def notify(self, request: StartRequest, *configured: Webhook) -> None:
        couriers = TemporalCouriers(self.client, self.queue)
        notifier = Notifier(configured, self.webhooks, self.deliveries, couriers)
        await notifier.notify(request, 1, EVENTS, NOW + timedelta(seconds=1))

    async def told(self, webhook: Webhook) -> list[Delivery]:
        return list((await self.deliveries.of_webhook(webhook.id, limit=10, before=None)).items)


@pytest.fixture
def office(database: Database, client: Client) -> Office:
    return Office(database, client, f"office-{uuid4()}")


@pytest.fixture
async def request_(database: Database) -> StartRequest:
    return await claimed(database, new_start(tenant=uuid4().hex))


async def test_each_event_is_for_each_webhook_of_the_tenant_and_of_the_operator_that_wants_it(
    office: Office, request_: StartRequest
) -> None:
    everything = await office.register(request_.tenant)
    ends = await office.register(request_.tenant, "generation.finished")
    stranger = await office.register("another tenant")
    operators = everything.model_copy(update={"id": WebhookId(f"conf_{uuid4().hex}"), "tenant": None})
    await office.notify(request_, operators)
    both = {"approval.expired", "generation.finished"}
    assert {each.event for each in await office.told(everything)} == both
    assert {each.event for each in await office.told(operators)} == both
    assert [each.event for each in await office.told(ends)] == ["generation.finished"]
    assert await office.told(stranger) == []


async def test_telling_it_again_changes_nothing_and_dispatches_nothing(office: Office, request_: StartRequest) -> None:
    webhook = await office.register(request_.tenant)
    await office.notify(request_)
    before = await office.told(webhook)
    runs = [await office.client.get_workflow_handle(f"webhook/{each.id}").describe() for each in before]
    await office.client.get_workflow_handle(runs[0].id).terminate()  # one is over, the other is on its way
    await office.deliveries.attempted(before[0].id, 1, Reception(status=200), NOW)
    after = await office.told(webhook)
    await office.notify(request_)
    again = [await office.client.get_workflow_handle(run.id).describe() for run in runs]
    assert [run.run_id for run in again] == [run.run_id for run in runs]
    assert await office.told(webhook) == after
    assert {each.id for each in after} == {each.id for each in before}


async def test_what_is_delivered_or_given_up_keeps_its_line_and_loses_its_content(
    office: Office, request_: StartRequest
) -> None:
    webhook, later = await office.register(request_.tenant), NOW + timedelta(minutes=5)
    await office.notify(request_)
    first, second = await office.told(webhook)
    assert first.body is not None
    await office.deliveries.attempted(first.id, 1, Reception(error="It hangs."), NOW)
    await office.deliveries.attempted(first.id, 2, Reception(status=200), later)
    assert not await office.deliveries.give_up(first.id)
    assert await office.deliveries.give_up(second.id)
    arrived, failed = [await office.deliveries.load(each.id) for each in (first, second)]
    assert arrived == first.model_copy(
        update={"status": "delivered", "attempts": 2, "response_status": 200, "attempted_at": later, "body": None}
    )
    assert failed == second.model_copy(update={"status": "failed", "body": None})


async def test_a_worker_with_an_older_configuration_leaves_a_webhook_to_others(
    office: Office, request_: StartRequest
) -> None:
    async with listening() as receiver:
        operators = Webhook(
            id=WebhookId(f"conf_{uuid4().hex}"),
            tenant=None,
            url=receiver.at("/"),
            events=("generation.finished",),
            secret=SECRET,
            reach="development",
        )
        await office.notify(request_, operators)
        (delivery,) = await office.told(operators)
        step, post = DeliveryStep(delivery_id=delivery.id), HttpPost()
        older = DeliverySteps((), office.webhooks, office.deliveries, post)
        newer = DeliverySteps((operators,), office.webhooks, office.deliveries, post)
        with pytest.raises(ApplicationError, match="not in the configuration of this worker"):
            await ActivityEnvironment().run(older.deliver, step)
        assert (await office.told(operators))[0].status == "pending"
        for _ in range(2):
            await ActivityEnvironment().run(newer.deliver, step)
        await post.aclose()
        assert [each.id for each in receiver.got("/")] == [delivery.id]
        assert (await office.told(operators))[0].status == "delivered"
