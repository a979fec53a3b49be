"""Webhooks of the whole product: who is told, of what, how often, and who may say so."""

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx2
import pytest
from temporalio.client import Client, WorkflowHandle

from tests.configurations import configuration, write
from tests.outsider import a_word, abort, eventually, problem, visiting, writing
from tests.provider.acts import Answer
from tests.provider.process import ProviderProcess
from tests.receiver import HANGS, Received, Receiver, listening
from tests.stack import JsonDict, Stack, fermata_dev

pytest_plugins = ["tests.workshop"]

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OPERATORS = "/operator"
BUSY, GONE = Answer(500, b"not today"), Answer(410, b"")


@pytest.fixture(scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    async with listening() as opened:
        yield opened


@pytest.fixture(scope="module")
async def stack(
    provider: ProviderProcess,
    receiver: Receiver,
    free_ports: Callable[[int], int],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Stack]:
    directory = tmp_path_factory.mktemp("webhooks")
    told = [{"url": receiver.at(OPERATORS), "secret": SECRET}]
    file = write(directory, configuration(provider.url, webhooks=told))
    async with fermata_dev(free_ports(10), directory / "data", "--config", str(file)) as opened:
        yield opened


@asynccontextmanager
async def tenant_of(stack: Stack) -> AsyncIterator[Stack]:
    """A tenant of its own, for its administrator."""
    async with visiting(stack, x_dev_tenant=a_word(), x_dev_user="ann", x_dev_roles="admin") as ann:
        yield ann


async def register(stack: Stack, url: str, **fields: object) -> JsonDict:
    response = await stack.http.post("/api/webhooks", json={"url": url, **fields})
    assert response.status_code == 201, response.text
    assert response.headers["location"] == f"/api/webhooks/{response.json()['id']}"
    return dict(response.json())


async def deliveries(stack: Stack, webhook: JsonDict) -> list[JsonDict]:
    return list((await stack.http.get(f"/api/webhooks/{webhook['id']}/deliveries")).raise_for_status().json()["items"])


async def until_settled(stack: Stack, webhook: JsonDict, status: str) -> JsonDict:
    """Its only delivery, once it has that status."""

    async def settled() -> bool:
        return [each["status"] for each in await deliveries(stack, webhook)] == [status]

    await eventually(settled)
    return (await deliveries(stack, webhook))[0]


async def job(stack: Stack, delivery: str) -> WorkflowHandle[object, object]:
    url = httpx2.URL(stack.url)
    assert url.port is not None
    return (await Client.connect(f"127.0.0.1:{url.port + 1}")).get_workflow_handle(f"webhook/{delivery}")


async def an_end(stack: Stack) -> str:
    """An answer that has come to its end."""
    started = await stack.start("echo fine", agent="clerk")
    await stack.finished(started["id"])
    return str(started["id"])


def about(got: list[Received], generation: str) -> list[Received]:
    return [each for each in got if each.told["data"]["generation_id"] == generation]


async def test_the_operator_is_told_of_an_approval_from_asking_to_the_end(stack: Stack, receiver: Receiver) -> None:
    word = a_word()
    async with visiting(stack, x_dev_user="bob", x_dev_tenant=word) as bob:
        started = await bob.start(writing(word), agent="clerk")
        generation, conversation = started["id"], started["conversation_id"]
        await bob.approve(generation)
        await bob.finished(generation)

    async def told() -> bool:
        return len(about(receiver.got(OPERATORS), generation)) == 3

    await eventually(told)
    got = {each.type: each for each in about(receiver.got(OPERATORS), generation)}
    assert got.keys() == {"approval.requested", "approval.decided", "generation.finished"}
    for each in got.values():
        assert each.is_signed_with(SECRET)
        assert each.told["data"].items() >= {"tenant": word, "conversation_id": conversation}.items()
        assert each.told["data"]["owner"]["id"] == "bob"
        assert "Be brief" not in each.body.decode()
    (call,) = got["approval.requested"].told["data"]["approval"]["calls"]
    assert (call["name"], call["arguments"]) == ("write_book", {"line": word})
    assert got["approval.decided"].told["data"]["decision"] == "approve"
    assert got["generation.finished"].told["data"]["outcome"] == "completed"
    assert len({each.id for each in got.values()}) == 3


async def test_a_tenant_is_told_only_of_its_own_and_of_what_it_chose(stack: Stack, receiver: Receiver) -> None:
    async with tenant_of(stack) as ann, tenant_of(stack) as eve:
        everything, ends = (f"/{a_word()}" for _ in range(2))
        await register(ann, receiver.at(everything))
        await register(ann, receiver.at(ends), events=["generation.finished"])
        await an_end(eve)
        started = await ann.start(writing(a_word()), agent="denying")  # for a second
        await ann.finished(started["id"])
        got = await receiver.until(everything, 3)
        assert sorted(each.type for each in got) == ["approval.expired", "approval.requested", "generation.finished"]
        assert [each.type for each in await receiver.until(ends, 1)] == ["generation.finished"]
        assert {each.told["data"]["generation_id"] for each in [*got, *receiver.got(ends)]} == {started["id"]}


async def test_who_is_told_finds_what_it_was_told_of(stack: Stack, receiver: Receiver) -> None:
    path = f"/{a_word()}"
    async with tenant_of(stack) as ann:
        await register(ann, receiver.at(path), events=["approval.requested"])
        started = await ann.start(writing(a_word()), agent="clerk")
        (got,) = await receiver.until(path, 1)
        waiting = (await ann.http.get("/api/approvals")).json()["items"]
        assert [item["id"] for item in waiting] == [got.told["data"]["approval"]["id"]]
        await abort(ann, started["id"])


async def test_a_secret_is_shown_once_and_signs(stack: Stack, receiver: Receiver) -> None:
    made_for_us, given = f"/{a_word()}", f"/{a_word()}"
    async with tenant_of(stack) as ann:
        made = await register(ann, receiver.at(made_for_us))
        assert len(base64.b64decode(made["secret"].removeprefix("whsec_"))) == 32
        assert (await register(ann, receiver.at(given), secret=SECRET))["secret"] == SECRET
        listed = await ann.http.get("/api/webhooks")
        assert [item["url"] for item in listed.json()["items"]] == [receiver.at(made_for_us), receiver.at(given)]
        for shown in (listed, await ann.http.get(f"/api/webhooks/{made['id']}")):
            assert "secret" not in shown.text
            assert made["secret"] not in shown.text
        generation = await an_end(ann)
        assert (await receiver.until(made_for_us, 1))[0].is_signed_with(made["secret"])
        assert (await receiver.until(given, 1))[0].is_signed_with(SECRET)
        log = await until_settled(ann, made, "delivered")
        assert (log["event"], log["generation_id"], log["attempts"]) == ("generation.finished", generation, 1)
        assert (log["response_status"], log["error"]) == (204, None)


async def test_what_was_not_taken_comes_again_under_the_same_id(stack: Stack, receiver: Receiver) -> None:
    path = f"/{a_word()}"
    receiver.answer(path, Answer(302, b"", (("Location", "/elsewhere"),)))
    async with tenant_of(stack) as ann:
        webhook = await register(ann, receiver.at(path))
        await an_end(ann)
        got = await receiver.until(path, 2)
        assert len({each.id for each in got}) == 1
        assert len({each.body for each in got}) == 1
        assert all(each.is_signed_with(webhook["secret"]) for each in got)
        log = await until_settled(ann, webhook, "delivered")
        assert (log["id"], log["attempts"], log["response_status"]) == (got[0].id, 2, 204)
    assert receiver.got("/elsewhere") == []


async def test_a_failure_is_in_the_log_while_it_is_not_yet_made_good(stack: Stack, receiver: Receiver) -> None:
    path = f"/{a_word()}"
    receiver.answer(path, Answer(503, b"secret of the receiver", (("Retry-After", "3600"),)))
    async with tenant_of(stack) as ann:
        webhook = await register(ann, receiver.at(path))
        await an_end(ann)
        await receiver.until(path, 1)

        async def noted() -> bool:
            return [each["attempts"] for each in await deliveries(ann, webhook)] == [1]

        await eventually(noted)
        (log,) = await deliveries(ann, webhook)
        assert (log["status"], log["response_status"]) == ("pending", 503)
        assert "secret of the receiver" not in str(log)
        (step,) = (await (await job(stack, log["id"])).describe()).raw_description.pending_activities
        assert step.current_retry_interval.seconds == 3600


async def test_a_receiver_that_is_gone_is_told_nothing_more(stack: Stack, receiver: Receiver) -> None:
    path = f"/{a_word()}"
    receiver.answer(path, GONE)
    async with tenant_of(stack) as ann:
        webhook, other = await register(ann, receiver.at(path)), f"/{a_word()}"
        await an_end(ann)
        log = await until_settled(ann, webhook, "failed")
        assert (log["attempts"], log["response_status"]) == (1, 410)
        shown = (await ann.http.get(f"/api/webhooks/{webhook['id']}")).json()
        assert shown["disabled_at"] is not None
        await register(ann, receiver.at(other))
        await an_end(ann)
        await receiver.until(other, 1)  # the same announcement would have told both
        assert len(await deliveries(ann, webhook)) == 1
        assert len(receiver.got(path)) == 1


async def test_a_deleted_webhook_is_told_nothing_more_also_not_what_is_under_way(
    stack: Stack, receiver: Receiver
) -> None:
    path = f"/{a_word()}"
    receiver.answer(path, BUSY)
    async with tenant_of(stack) as ann:
        webhook = await register(ann, receiver.at(path))
        await an_end(ann)
        (got,) = await receiver.until(path, 1)
        assert (await ann.http.delete(f"/api/webhooks/{webhook['id']}")).status_code == 204
        await (await job(stack, got.id)).result()
        assert len(receiver.got(path)) == 1
        problem(await ann.http.get(f"/api/webhooks/{webhook['id']}"), 404, "webhook_not_found")
        assert (await ann.http.get("/api/webhooks")).json() == {"items": []}


async def test_a_receiver_that_hangs_holds_up_no_answer(stack: Stack, receiver: Receiver) -> None:
    path = f"/{a_word()}"
    receiver.answer(path, HANGS, HANGS, HANGS)
    async with tenant_of(stack) as ann:
        webhook = await register(ann, receiver.at(path))
        started = await ann.start(writing(a_word()), agent="clerk")
        await receiver.until(path, 1)
        left = receiver.left
        await ann.approve(started["id"])
        assert (await ann.finished(started["id"]))["outcome"] == "completed"
        assert receiver.left == left  # all of it while the first request was still unanswered
        await ann.http.delete(f"/api/webhooks/{webhook['id']}")


async def test_a_delivery_survives_the_death_of_its_worker(stack: Stack, receiver: Receiver) -> None:
    path = f"/{a_word()}"
    receiver.answer(path, HANGS)
    async with tenant_of(stack) as ann:
        webhook = await register(ann, receiver.at(path))
        await an_end(ann)
        await receiver.until(path, 1)
        stack.kill("worker-1")
        first, second = await receiver.until(path, 2)
        assert first.id == second.id
        assert (await until_settled(ann, webhook, "delivered"))["response_status"] == 204


async def test_webhooks_are_for_administrators_and_none_of_another_tenants_business(
    stack: Stack, receiver: Receiver
) -> None:
    async with tenant_of(stack) as ann, tenant_of(stack) as eve:
        webhook = await register(ann, receiver.at(f"/{a_word()}"))
        assert (await eve.http.get("/api/webhooks")).json() == {"items": []}
        for method, path in (
            ("GET", f"/api/webhooks/{webhook['id']}"),
            ("GET", f"/api/webhooks/{webhook['id']}/deliveries"),
            ("DELETE", f"/api/webhooks/{webhook['id']}"),
        ):
            problem(await eve.http.request(method, path), 404, "webhook_not_found")
            refused = await ann.http.request(method, path, headers={"X-Dev-Roles": "clerk"})
            assert problem(refused, 403, "role_required")["role"] == "admin"
        assert (await ann.http.get(f"/api/webhooks/{webhook['id']}")).status_code == 200
        body = {"url": receiver.at("/x")}
        async with visiting(stack, x_dev_user="carol") as carol:
            problem(await carol.http.post("/api/webhooks", json=body), 403, "role_required")
            problem(await carol.http.get("/api/webhooks"), 403, "role_required")


@pytest.mark.parametrize(
    "body",
    [
        {"url": "http://169.254.169.254/latest/meta-data"},
        {"url": "http://[::ffff:10.0.0.1]/"},
        {"url": "https://user@example.org/"},
        {"url": "https://nobody.invalid/"},
        {"url": "https://example.org/", "secret": "short"},
        {"url": "https://example.org/", "events": []},
        {"url": "https://example.org/", "events": ["text.delta"]},
        {"url": "https://example.org/", "name": "x"},
        {},
    ],
    ids=str,
)
async def test_what_could_not_be_delivered_to_is_refused(stack: Stack, body: JsonDict) -> None:
    async with tenant_of(stack) as ann:
        problem(await ann.http.post("/api/webhooks", json=body), 422, "invalid_request")
        assert (await ann.http.get("/api/webhooks")).json() == {"items": []}


async def test_there_is_an_end_to_what_a_tenant_may_register(stack: Stack, receiver: Receiver) -> None:
    async with tenant_of(stack) as ann:
        for number in range(20):
            await register(ann, receiver.at(f"/{number}"))
        refused = await ann.http.post("/api/webhooks", json={"url": receiver.at("/20")})
        assert problem(refused, 409, "too_many_webhooks")["limit"] == 20


async def test_deliveries_come_in_pages_newest_first(stack: Stack, receiver: Receiver) -> None:
    async with tenant_of(stack) as ann:
        webhook = await register(ann, receiver.at(f"/{a_word()}"))
        ends = [await an_end(ann) for _ in range(3)]
        path = f"/api/webhooks/{webhook['id']}/deliveries"
        first = (await ann.http.get(path, params={"limit": 2})).json()
        rest = (await ann.http.get(path, params={"limit": 2, "before": first["next"]})).json()
        told = [item["generation_id"] for item in [*first["items"], *rest["items"]]]
        assert (told, rest["next"]) == (ends[::-1], None)
