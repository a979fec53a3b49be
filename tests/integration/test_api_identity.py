"""Who asks, what they may see, how the job looks in Temporal, and whether the process is well."""

from typing import Any

import httpx2
import pytest
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.common import SearchAttributeKey

from tests.outsider import a_word, abort, deciding, eventually, problem, visiting, writing, written
from tests.stack import JsonDict, Stack

pytest_plugins = ["tests.workshop"]
NEVER_WAS = "gen_00000000000000000000000000"


@pytest.fixture(scope="module")
async def temporal(workshop: Stack) -> Client:
    url = httpx2.URL(workshop.url)
    assert url.port is not None
    return await Client.connect(f"127.0.0.1:{url.port + 1}")


@pytest.mark.parametrize("stranger", [{"x_dev_user": "bob"}, {"x_dev_tenant": "other"}], ids=["user", "tenant"])
async def test_what_is_anothers_answers_as_what_never_was_on_every_route(
    workshop: Stack, stranger: dict[str, str]
) -> None:
    word = a_word()
    started = await workshop.start(writing(word), agent="clerk")
    approval = (await workshop.paused(started["id"]))["approvals"][0]
    conversation = started["conversation_id"]
    routes: list[tuple[str, str, JsonDict | None]] = [
        ("GET", f"/api/generations/{started['id']}", None),
        ("GET", f"/api/generations/{started['id']}/events", None),
        ("GET", f"/api/generations/{started['id']}/events?after=100000", None),
        ("POST", f"/api/generations/{started['id']}/decisions", deciding(approval)),
        ("POST", f"/api/generations/{started['id']}/abort", None),
        ("GET", f"/api/conversations/{conversation}", None),
        ("GET", f"/api/conversations/{conversation}/messages", None),
    ]
    async with visiting(workshop, **stranger) as other:
        for method, path, body in routes:
            theirs = await other.http.request(method, path, json=body)
            nobodys = await other.http.request(
                method, path.replace(started["id"], NEVER_WAS).replace(conversation, NEVER_WAS[4:]), json=body
            )
            kind = "generation" if "generations" in path else "conversation"
            alike = []
            for response, id in ((theirs, (started["id"], conversation)), (nobodys, (NEVER_WAS, NEVER_WAS[4:]))):
                told = str(problem(response, 404, f"{kind}_not_found"))
                alike.append(told.replace(id[0], "…").replace(id[1], "…"))
            assert alike[0] == alike[1]
        for path in ("/api/generations", f"/api/generations?conversation_id={conversation}", "/api/conversations"):
            assert started["id"] not in (await other.http.get(path)).text
            assert conversation not in (await other.http.get(path)).text
    assert (await workshop.view(started["id"]))["status"] == "requires_action"
    assert written(workshop, word) == []
    await abort(workshop, started["id"])


async def test_in_development_headers_choose_who_asks(workshop: Stack) -> None:
    async with visiting(workshop, x_dev_user="ann", x_dev_tenant="acme", x_dev_roles="manager, clerk") as ann:
        me = (await ann.http.get("/api/me")).json()
        assert me == {"id": "ann", "name": "ann", "tenant": "acme", "roles": ["clerk", "manager"]}
        started = await ann.start("echo mine")
        await ann.finished(started["id"])
        listed = (await ann.http.get("/api/generations")).json()["items"]
        assert [item["id"] for item in listed] == [started["id"]]
    assert (await workshop.http.get("/api/me")).json() == {
        "id": "local",
        "name": "local",
        "tenant": "default",
        "roles": ["admin"],
    }


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer not.a.token"},
        {"Authorization": "Basic bG9jYWw6bG9jYWw="},
        {"Authorization": ""},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "10.0.0.1:8000"},
        {"X-Dev-User": "a/b"},
        {"X-Dev-User": "u" * 500},
        {"X-Dev-Tenant": "../default"},
    ],
    ids=str,
)
async def test_a_bad_credential_and_a_foreign_host_are_refused_everywhere(
    workshop: Stack, headers: dict[str, str]
) -> None:
    for method, path in (
        ("GET", "/api/me"),
        ("GET", "/api/agents"),
        ("GET", "/api/generations"),
        ("GET", f"/api/generations/{NEVER_WAS}/events"),
        ("GET", "/api/conversations"),
        ("POST", f"/api/generations/{NEVER_WAS}/abort"),
    ):
        response = await workshop.http.request(method, path, headers=headers)
        problem(response, 401, "unauthenticated")
        assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:80", "127.8.9.1"])
async def test_this_machine_is_let_in_by_any_of_its_names(workshop: Stack, host: str) -> None:
    assert (await workshop.http.get("/api/me", headers={"Host": host})).status_code == 200


async def test_the_job_can_be_found_and_read_in_temporal(workshop: Stack, temporal: Client) -> None:
    word = a_word()
    async with visiting(workshop, x_dev_user=word, x_dev_tenant="acme") as user:
        started = await user.start(writing(f"secret {word}"), agent="clerk")
        view = await user.paused(started["id"])
        approval = view["approvals"][0]
        query = f"TenantId='acme' AND UserId='{word}' AND GenStatus='requires_action' AND PendingTools='write_book'"

        async def is_found() -> bool:
            return (await temporal.count_workflows(query)).count == 1

        await eventually(is_found)
        handle = temporal.get_workflow_handle(f"conversation/acme/{word}/{started['conversation_id']}")
        described = await handle.describe()
        assert attributes(described) == {
            "TenantId": "acme",
            "UserId": word,
            "ConversationId": started["conversation_id"],
            "GenerationId": started["id"],
            "GenStatus": "requires_action",
            "Agent": "clerk",
            "Model": "patient:scripted",
        }
        expires = described.typed_search_attributes[SearchAttributeKey.for_datetime("ApprovalExpiresAt")]
        assert approval["expires_at"].startswith(f"{expires:%Y-%m-%dT%H:%M:%S}")
        assert "clerk" in (await described.static_summary() or "")
        assert started["conversation_id"] in (await described.static_details() or "")
        metadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
        details = metadata.current_details
        for shown in ("Waits for a decision", "`write_book`", approval["id"], started["id"], "approve"):
            assert shown in details
        assert "secret" not in details
        assert described.id.replace("/", "%2F") in view["temporal_url"]
        assert (described.run_id or "") in view["temporal_url"]
        assert (await user.decide(started["id"], deciding(approval))).status_code == 200
        await user.finished(started["id"])
    ended = await handle.describe()
    assert attributes(ended)["GenStatus"] == "completed"
    assert ended.typed_search_attributes.get(SearchAttributeKey.for_keyword_list("PendingTools")) is None


def attributes(described: WorkflowExecutionDescription) -> dict[str, Any]:
    """Those with one word each."""
    names = ("TenantId", "UserId", "ConversationId", "GenerationId", "GenStatus", "Agent", "Model")
    return {name: described.typed_search_attributes.get(SearchAttributeKey.for_keyword(name)) for name in names}


async def test_a_person_can_decide_from_temporal_with_the_same_rules(workshop: Stack, temporal: Client) -> None:
    word = a_word()
    started = await workshop.start(writing(word), agent="clerk")
    approval = (await workshop.paused(started["id"]))["approvals"][0]
    handle = temporal.get_workflow_handle(f"conversation/default/local/{started['conversation_id']}")
    await handle.signal("approve", "apr_other")
    await handle.signal("approve", approval["id"])
    await handle.signal("reject", approval["id"])
    assert (await workshop.finished(started["id"]))["outcome"] == "completed"
    refused = problem(await workshop.decide(started["id"], deciding(approval)), 409, "already_decided")
    assert [line["decision"] for line in refused["receipt"]["decided"]] == ["approve"]
    assert refused["receipt"]["decided"][0]["by"]["id"] == "temporal"
    assert written(workshop, word) == [word]


async def test_a_process_that_is_well_says_so(workshop: Stack, second: Stack) -> None:
    for api in (workshop, second):
        assert (await api.http.get("/healthz")).json() == {"status": "ok"}
        ready = await api.http.get("/readyz")
        assert (ready.status_code, ready.json()) == (200, {"status": "ok", "away": []})
