"""Tools as the steps run them: whatever a tool does, there is an output, and only what was allowed has happened."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from adapters.internet import is_public
from adapters.tools import TOOLS, PythonTool, Toolbox, ToolContext, toolbox
from adapters.tools.builtin.web_get import MAX_BYTES, fetch
from adapters.tools.python_source import PythonSource
from agents import AGENTS
from domain.agent import ToolSpec
from domain.ask_user import ASK_USER
from domain.content import JsonObject
from domain.errors import ConfigurationError
from domain.ports import ToolOutput

KEY = "gen_1/call_1"


@pytest.fixture
def tools(tmp_path: Path) -> Toolbox:
    return toolbox(tmp_path)


async def run(tools: Toolbox, name: str, arguments: JsonObject, key: str = KEY) -> ToolOutput:
    (spec,) = tools.resolve([name])
    assert tools.invalid(spec, arguments) is None
    return await tools.run(spec, arguments, idempotency_key=key)


def only(function: Callable[..., object], tmp_path: Path, timeout: timedelta = timedelta(seconds=5)) -> Toolbox:
    tool = PythonTool(function, timeout=timeout)
    return Toolbox([PythonSource({tool.name: tool})], tmp_path)


async def test_a_note_is_written_listed_and_read(tools: Toolbox, tmp_path: Path) -> None:
    assert (await run(tools, "notes", {})).text == "There are no notes yet."
    for _ in range(2):  # running it twice is running it once
        output = await run(tools, "write_note", {"title": "../../Grocery list!", "text": "Milk\n"})
        assert output == ToolOutput(text="Written: notes/grocery-list.md")
    assert (await run(tools, "notes", {})).text == "- grocery-list"
    assert (await run(tools, "notes", {"title": "Grocery List"})).text == "Milk\n"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["grocery-list.md"]


async def test_mail_lies_in_the_outbox_under_its_key(tools: Toolbox, tmp_path: Path) -> None:
    mail = {"to": "ada@example.org", "subject": "Grüße", "body": "See you at noon."}
    assert not (await run(tools, "send_mail", mail)).is_error
    (path,) = (tmp_path / "outbox").iterdir()
    sent = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert (path.name, sent["To"], sent["Subject"]) == ("gen_1_call_1.eml", "ada@example.org", "Grüße")


async def test_a_mail_cannot_smuggle_headers(tools: Toolbox, tmp_path: Path) -> None:
    mail = {"to": "ada@example.org", "subject": "Hi\nBcc: eve@example.org", "body": ""}
    assert (await run(tools, "send_mail", mail)).is_error
    assert not list(tmp_path.rglob("*.eml"))


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("2 ** 64", "18446744073709551616"),
        ("0.1 + 0.2", "0.3"),
        ("-(7 // 2) + sqrt(16) * round(pi, 2)", "9.56"),
        ("9 ** 9 ** 9", "ValueError: the result has more than 1000 digits"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("().__class__", "ValueError: this is not understood: '().__class__'"),
        ("'a' * 1000000000", "ValueError: this is not understood: \"'a'\""),
    ],
)
async def test_the_calculator_computes_and_nothing_else(tools: Toolbox, expression: str, result: str) -> None:
    assert (await run(tools, "calculator", {"expression": expression})).text == result


async def test_the_clock_knows_time_zones(tools: Toolbox) -> None:
    assert "(Asia/Tokyo, UTC+0900)" in (await run(tools, "clock", {"timezone": "Asia/Tokyo"})).text
    assert (await run(tools, "clock", {"timezone": "Mars/Olympus"})).is_error


async def test_arguments_that_do_not_fit_are_told_in_one_sentence(tools: Toolbox) -> None:
    (spec,) = tools.resolve(["send_mail"])
    assert tools.invalid(spec, {"to": "nobody", "subject": "x", "body": "y"}) == '/to: "nobody" is not a "email"'
    assert tools.invalid(spec, '{"to": ') == "arguments: this is no JSON object"
    assert (await tools.run(spec, {"to": 1}, idempotency_key=KEY)).is_error


async def test_a_plain_function_runs_beside_the_loop_and_an_async_one_in_it(tmp_path: Path) -> None:
    def plain() -> bool:
        return threading.current_thread() is threading.main_thread()

    async def native() -> bool:
        return threading.current_thread() is threading.main_thread()

    assert (await run(only(plain, tmp_path), "plain", {})).text == "false"
    assert (await run(only(native, tmp_path), "native", {})).text == "true"


async def test_a_tool_gets_typed_arguments_and_its_context(tmp_path: Path) -> None:
    def wait(how_long: timedelta, context: ToolContext) -> dict[str, object]:
        return {"seconds": how_long.total_seconds(), "key": context.idempotency_key, "here": context.data_dir}

    output = await run(only(wait, tmp_path), "wait", {"how_long": "PT90S"})
    assert output.text == f'{{"seconds":90.0,"key":"{KEY}","here":"{tmp_path}"}}'


async def test_a_tool_that_raises_is_an_error_the_model_reads(tmp_path: Path) -> None:
    def broken() -> str:
        raise RuntimeError("the printer is on fire")

    output = await run(only(broken, tmp_path), "broken", {})
    assert output == ToolOutput(text="RuntimeError: the printer is on fire", is_error=True)


async def test_a_tool_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    async def endless() -> None:
        await asyncio.Event().wait()

    output = await run(only(endless, tmp_path, timeout=timedelta(milliseconds=50)), "endless", {})
    assert output.is_error
    assert "whether it took effect is unknown" in output.text


async def test_a_cancelled_tool_is_no_result(tmp_path: Path) -> None:
    started = asyncio.Event()

    async def endless() -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(run(only(endless, tmp_path), "endless", {}))
    await asyncio.wait_for(started.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_long_and_broken_output_is_made_fit(tmp_path: Path) -> None:
    def verbose() -> str:
        return "\ud83d\x00" + "x" * 60_000

    text = (await run(only(verbose, tmp_path), "verbose", {})).text
    assert text.startswith("?\ufffdxxx")
    assert text.endswith("[cut here: 10002 of 60002 characters left out]")


async def test_a_tool_is_imported_from_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "shop_tools_of_test.py").write_text(
        "from adapters.tools import PythonTool\n"
        "def price(article: str) -> float:\n    '''Tell a price.'''\n    return 9.5\n"
        "def order(article: str) -> str:\n    return article\n"
        "safe_order = PythonTool(order, idempotent=True)\n"
        "number = 7\n"
    )
    tools = toolbox(tmp_path, beside=tmp_path)
    price, order = tools.resolve(["shop_tools_of_test:price", "shop_tools_of_test:safe_order"])
    assert (price.name, price.description, price.idempotent) == ("price", "Tell a price.", False)
    assert (order.name, order.idempotent) == ("order", True)
    elsewhere = toolbox(tmp_path, beside=tmp_path)  # whose configuration does not name it any more
    assert await elsewhere.run(price, {"article": "hat"}, idempotency_key=KEY) == ToolOutput(text="9.5")
    with pytest.raises(ConfigurationError, match="no function 'number'"):
        tools.resolve(["shop_tools_of_test:number"])
    with pytest.raises(ConfigurationError, match="PYTHONPATH"):
        tools.resolve(["no_such_module_of_test:price"])


def test_an_unknown_tool_is_refused_with_the_known_ones(tools: Toolbox) -> None:
    with pytest.raises(ConfigurationError, match=r"'clok'.*calculator, clock, notes"):
        tools.resolve(["clock", "clok"])


async def test_a_tool_that_is_gone_from_the_configuration_is_told_to_the_model(tools: Toolbox) -> None:
    pinned = ToolSpec(name="removed", description="", parameters={})
    assert (await tools.run(pinned, {}, idempotency_key=KEY)).is_error


def test_every_demo_agent_has_its_tools(tools: Toolbox) -> None:
    for agent in AGENTS.values():
        names = agent["tools"]
        assert isinstance(names, list)
        assert {spec.name for spec in tools.resolve(names)} <= {*TOOLS, ASK_USER.name}


def test_specs_need_no_model_library() -> None:
    """The API process reads specs, and a second of start-up is what such an import costs."""
    code = (
        "import adapters.tools, sys; print({'pydantic_ai', 'openai', 'anthropic', 'mcp', 'httpx2'} & set(sys.modules))"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True).stdout == "set()\n"


# The web.


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "::127.0.0.1",
        "fec0::1",
    ],
)
def test_an_address_behind_the_firewall_is_not_public(address: str) -> None:
    assert not is_public(address)


def test_an_address_of_the_internet_is_public() -> None:
    assert is_public("93.184.215.14")
    assert is_public("2606:4700::1111")
    assert is_public("::ffff:93.184.215.14")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "http://localhost:1/", "http://[::ffff:7f00:1]/", "http://2130706433/"]
)
async def test_the_web_tool_never_connects_inside(tools: Toolbox, url: str) -> None:
    output = await run(tools, "web_get", {"url": url})
    assert output.is_error
    assert "is not on the public web" in output.text


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.org/", "http://user:secret@example.org/", "example.org"]
)
async def test_the_web_tool_reads_web_addresses_only(tools: Toolbox, url: str) -> None:
    assert "is not the address of a web page" in (await run(tools, "web_get", {"url": url})).text


PAGE = b"""<html><head><title>A page</title><style>p {color: red}</style></head>
<body><h1>Whales &amp; more</h1><p>They   sing.<script>alert(1)</script></p><ul><li>blue<li>grey</ul></body></html>"""
PAGES: Mapping[str, tuple[str, dict[str, str], bytes]] = {
    "/page": ("200 OK", {"content-type": "text/html; charset=utf-8"}, PAGE),
    "/json": ("200 OK", {"content-type": "application/problem+json"}, b'{"a": 1}'),
    "/latin": ("200 OK", {"content-type": "text/plain; charset=iso-8859-1"}, b"Gr\xfc\xdfe"),
    "/missing": ("404 Not Found", {"content-type": "text/plain"}, b"nothing here"),
    "/image": ("200 OK", {"content-type": "image/png"}, b"PNG"),
    "/huge": ("200 OK", {"content-type": "text/plain"}, b"x" * (MAX_BYTES + 1)),
    "/moved": ("302 Found", {"location": "/page"}, b""),
    "/inside": ("302 Found", {"location": "http://169.254.169.254/latest/meta-data"}, b""),
    "/circle": ("302 Found", {"location": "/circle"}, b""),
}


@pytest.fixture
async def site() -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        status, headers, body = PAGES[request.split(b" ")[1].decode()]
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {status}\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def is_site(address: str) -> bool:
    return address == "127.0.0.1"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/page", "A page\n\nWhales & more\n\nThey sing.\n\nblue\ngrey"),
        ("/moved", "A page\n\nWhales & more\n\nThey sing.\n\nblue\ngrey"),
        ("/json", '{"a": 1}'),
        ("/latin", "Grüße"),
        ("/missing", "The server answered 404.\n\nnothing here"),
    ],
)
async def test_a_page_is_read_as_text(site: str, path: str, text: str) -> None:
    assert await fetch(site + path, permit=is_site) == text


@pytest.mark.parametrize(
    ("path", "error"),
    [("/image", ValueError), ("/huge", ValueError), ("/circle", ValueError), ("/inside", PermissionError)],
)
async def test_what_is_no_page_for_a_model_is_refused(site: str, path: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        await fetch(site + path, permit=is_site)
