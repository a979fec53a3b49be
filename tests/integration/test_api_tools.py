"""Tools: a user's own functions, and that no failure of one ends the answer."""

from tests.outsider import a_word, asked_of, calls_of, named, text_of, types, writing, written
from tests.provider.process import ProviderProcess
from tests.provider.script import Reply, Text, ToolCall
from tests.stack import JsonDict, Stack

pytest_plugins = ["tests.workshop"]
LIMIT = 50_000


async def the_call(stack: Stack, provider: ProviderProcess, name: str, arguments: JsonDict | str) -> JsonDict:
    """What became of one call, after a look whether the answer went on and the model has read the result."""
    word = a_word()
    call = ToolCall(name=name, arguments=arguments)
    await provider.script(Reply(match=word, steps=(call,)), Reply(match=word, steps=(Text(text="I see."),)))
    started = await stack.start(word, agent="clerk")
    view = await stack.finished(started["id"])
    assert (view["outcome"], text_of(view["message"])) == ("completed", "I see.")
    (part,) = calls_of(view["message"])
    request = (await asked_of(provider, word))[-1].body
    assert isinstance(request, dict)
    messages = request["messages"]
    assert isinstance(messages, list)
    assert isinstance(messages[-1], dict)
    assert (messages[-1]["role"], messages[-1]["content"]) == ("tool", part["output"])
    return part


async def test_a_function_beside_the_configuration_is_a_tool(workshop: Stack, provider: ProviderProcess) -> None:
    call = await the_call(workshop, provider, "recite", {"characters": 5})
    assert (call["status"], call["output"], call["is_error"]) == ("completed", "xxxxx", False)
    agents = (await workshop.http.get("/api/agents")).json()["items"]
    tools = {tool["name"]: tool["description"] for tool in agents[0]["tools"]}
    assert tools["recite"] == "Say so many characters."


async def test_a_failing_tool_is_an_error_result(workshop: Stack, provider: ProviderProcess) -> None:
    call = await the_call(workshop, provider, "break_down", {"why": "the wheel came off"})
    assert (call["status"], call["is_error"]) == ("failed", True)
    assert "the wheel came off" in call["output"]


async def test_arguments_that_do_not_fit_are_an_error_result_and_nothing_runs(
    workshop: Stack, provider: ProviderProcess
) -> None:
    for arguments in ({"characters": "many"}, {}, {"characters": 1, "more": 2}, "{no json", "[1]"):
        call = await the_call(workshop, provider, "recite", arguments)
        assert (call["status"], call["is_error"]) == ("failed", True)
        assert "do not fit" in call["output"]


async def test_arguments_that_do_not_fit_are_never_asked_about(workshop: Stack, provider: ProviderProcess) -> None:
    call = await the_call(workshop, provider, "write_book", {"page": 5})
    assert (call["status"], call["is_error"]) == ("failed", True)


async def test_a_tool_nobody_has_is_an_error_result(workshop: Stack, provider: ProviderProcess) -> None:
    call = await the_call(workshop, provider, "teleport", {"to": "Mars"})
    assert (call["status"], call["is_error"]) == ("failed", True)
    assert "no tool of this name" in call["output"]


async def test_output_beyond_the_limit_is_cut_with_a_note(workshop: Stack, provider: ProviderProcess) -> None:
    exact = await the_call(workshop, provider, "recite", {"characters": LIMIT})
    assert exact["output"] == "x" * LIMIT
    long = await the_call(workshop, provider, "recite", {"characters": LIMIT + 7})
    assert long["output"].startswith("x" * LIMIT + "\n[cut here: 7 of 50007 characters")
    assert long["status"] == "completed"


async def test_each_run_is_told_with_its_arguments_and_its_result(workshop: Stack) -> None:
    word = a_word()
    started = await workshop.start(f'use recite {{"characters": 2}}\n{writing(word)}', agent="clerk")
    await workshop.approve(started["id"])
    await workshop.finished(started["id"])
    events = await workshop.read(started["id"])
    runs = {event["name"]: event for event in named(events, "tool.started")}
    assert runs["recite"]["arguments"] == {"characters": 2}
    assert runs["write_book"]["arguments"] == {"line": word}
    results = {event["call_id"]: event for event in named(events, "tool.completed")}
    assert results[runs["recite"]["call_id"]]["output"] == "xx"
    assert results[runs["write_book"]["call_id"]]["output"] == f"wrote {word}"
    order = types(events)
    assert order.index("approval.decided") < order.index("generation.resumed") < len(order) - 1
    assert written(workshop, word) == [word]


async def test_a_provider_that_repeats_its_call_ids_confuses_nobody(workshop: Stack, provider: ProviderProcess) -> None:
    word = a_word()
    one, two, three = (ToolCall(name="recite", arguments={"characters": n}, id="call_0") for n in (1, 2, 3))
    await provider.script(Reply(match=word, steps=(one, two)), Reply(match=word, steps=(three,)))
    started = await workshop.start(word, agent="clerk")
    view = await workshop.finished(started["id"])
    calls = calls_of(view["message"])
    assert view["outcome"] == "completed"
    assert [call["output"] for call in calls] == ["x", "xx", "xxx"]
    assert len({call["call_id"] for call in calls}) == 3


async def test_one_call_that_fails_leaves_its_neighbour_alone(workshop: Stack) -> None:
    started = await workshop.start('use break_down {"why": "oh"}\nuse recite {"characters": 4}', agent="clerk")
    calls = calls_of((await workshop.finished(started["id"]))["message"])
    assert [(call["status"], call["is_error"]) for call in calls] == [("failed", True), ("completed", False)]
