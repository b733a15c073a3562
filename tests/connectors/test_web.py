"""HTTP and WebSocket over real sockets on loopback: what left, what came, and what is unclear."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from connectors import web as web_module
from connectors.web import AiohttpDialer, AiohttpHttp
from engine.errors import NotSentError, TransportError
from tests.connectors.serving import serving

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@asynccontextmanager
async def raw_server(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """A server of bare bytes, for what no HTTP server would do."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def client(base_url: str) -> AsyncIterator[AiohttpHttp]:
    http = AiohttpHttp(base_url)
    try:
        yield http
    finally:
        await http.aclose()


async def test_a_reply_of_any_status_comes_whole_and_headers_have_no_case() -> None:
    async def answer(request: web.Request) -> web.Response:
        assert "POST" == request.method
        assert "application/json" == request.headers["Content-Type"]
        return web.Response(status=418, body=await request.read(), headers={"Retry-After": "3"})

    async with serving(answer) as url, client(url) as http:
        reply = await http.request(
            "POST", "/info", body=b'{"a":1}', headers={"Content-Type": "application/json"}
        )

    assert (418, b'{"a":1}', "3") == (reply.status, reply.body, reply.headers["retry-after"])


async def test_a_refused_connection_is_certain_to_have_sent_nothing() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        async with client(url) as http:
            with pytest.raises(NotSentError):
                await http.request("POST", "/exchange", body=b"{}")


async def test_a_closed_client_sends_nothing() -> None:
    async with client("http://127.0.0.1:9") as http:
        pass
    with pytest.raises(NotSentError, match="closed"):
        await http.request("POST", "/exchange", body=b"{}")
    await http.aclose()


async def _hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    del writer
    await reader.read()


async def _reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()


async def _half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()


async def _garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"no http at all\r\n\r\n")
    await writer.drain()


@pytest.mark.parametrize("talk", [_hang, _reset, _half, _garbage])
async def test_after_the_request_left_every_failure_is_unclear(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> None:
    async with raw_server(talk) as url, client(url) as http:
        with pytest.raises(TransportError) as caught:
            await http.request("POST", "/exchange", body=b"{}", timeout_s=0.3)

    assert not isinstance(caught.value, NotSentError)


async def test_an_answer_above_the_bound_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_module, "BODY_BYTES_MAX", 1_000)

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * int(request.query["size"]))

    async with serving(answer) as url, client(url) as http:
        assert 1_000 == len((await http.request("GET", "/?size=1000")).body)
        with pytest.raises(TransportError, match="more than 1000 bytes"):
            await http.request("GET", "/?size=1001")


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async def answer(request: web.Request) -> web.Response:
        del request
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    async with serving(answer) as url, client(url) as http:
        assert 302 == (await http.request("POST", "/exchange", body=b"{}")).status


async def test_it_is_told_when_a_request_is_written_before_its_answer_comes() -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        arrived.set()
        await go.wait()
        return web.Response(text="ok")

    written = asyncio.Event()
    async with serving(answer) as url, client(url) as http:
        task = asyncio.create_task(
            http.request("POST", "/exchange", body=b"{}", on_written=written.set)
        )
        await written.wait()
        await arrived.wait()
        assert not task.done()
        go.set()
        assert 200 == (await task).status


async def test_connections_are_kept_and_used_again() -> None:
    peers: set[object] = set()

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return web.Response(text="ok")

    async with serving(answer) as url, client(url) as http:
        for _ in range(5):
            await http.request("POST", "/info", body=b"{}")

    assert 1 == len(peers)


async def test_a_socket_takes_text_and_binary_and_shows_a_ping_as_a_sign_of_life() -> None:
    async def answer(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        assert "secret" == request.headers["Authorization"]
        await ws.ping()
        await ws.send_str("text")
        await ws.send_bytes(b"bytes")
        assert "hello" == await ws.receive_str()
        await ws.send_str("heard")
        await ws.close(code=1001)
        return ws

    dialer = AiohttpDialer()
    async with serving(answer) as url:
        ws = await dialer.dial(url + "/ws", {"Authorization": "secret"})
        assert ["", "text", b"bytes"] == [await ws.receive() for _ in range(3)]
        await ws.send("hello")
        assert "heard" == await ws.receive()
        with pytest.raises(TransportError, match="code 1001"):
            await ws.receive()
        await ws.aclose()
        await ws.aclose()
        with pytest.raises(TransportError):
            await ws.send("too late")
        await dialer.aclose()


async def test_a_socket_that_is_reset_says_so() -> None:
    async def answer(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        assert request.transport is not None
        request.transport.abort()
        return ws

    dialer = AiohttpDialer()
    async with serving(answer) as url:
        ws = await dialer.dial(url + "/ws")
        with pytest.raises(TransportError):
            await ws.receive()
        await ws.aclose()
        await dialer.aclose()


async def test_closing_a_socket_whose_other_side_is_silent_takes_a_bounded_time() -> None:
    done = asyncio.Event()

    async def answer(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(autoclose=False, autoping=False)
        await ws.prepare(request)
        await done.wait()
        return ws

    dialer = AiohttpDialer()
    async with serving(answer) as url:
        ws = await dialer.dial(url + "/ws")
        closing = asyncio.ensure_future(ws.aclose())
        ended, _ = await asyncio.wait({closing}, timeout=5)
        done.set()
        await dialer.aclose()

    assert {closing} == ended
    assert closing.exception() is None


async def test_a_server_that_is_no_websocket_cannot_be_dialled() -> None:
    async def answer(request: web.Request) -> web.Response:
        del request
        return web.Response(status=502, text="<html>bad gateway</html>")

    dialer = AiohttpDialer()
    async with serving(answer) as url:
        with pytest.raises(TransportError):
            await dialer.dial(url + "/ws")
        await dialer.aclose()
