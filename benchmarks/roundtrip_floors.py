"""What a round trip cannot do without, each part measured alone with the bare library.

Everything waits as long before each call as a live trip does between frames, so that the caches are
as cold as there: a floor measured in a tight loop would be one that nobody can stand on. The disk
is measured between the trips themselves, because it changes from one moment to the next.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter_ns
from typing import Any, Final
from unittest.mock import patch

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_writer import StreamWriter

from benchmarks.floors import bare_decode, inlined_requote
from benchmarks.roundtrip_live import FRAME_BYTES_MIN, when_in_kernel
from benchmarks.roundtrip_venue import JSON, PACE_S, book_frame

RECEIVE: Final = "receive: aiohttp socket to task"
DECODE: Final = "decode: msgspec to structs of floats"
SIGN: Final = "sign: structs, msgpack, keccak, secp256k1, JSON"
DISK: Final = "journal: append and fdatasync of as many bytes"
POST: Final = "send: aiohttp POST until written"
_MODIFY: Final = re.compile(rb'"p":"([^"]+)","s":"([^"]+)".*?"c":"([^"]+)"')
_NUMBERS: Final = rb'"(?:nonce|expiresAfter)":(\d+)'


class Floors:
    """Measures every floor, against the same server and beside the same journal."""

    def __init__(
        self,
        base_url: str,
        session: aiohttp.ClientSession,
        folder: Path,
        body: bytes,
        journal_bytes: int,
    ) -> None:
        self._base_url = base_url
        self._session = session
        self._path = folder / "floor"
        self._body = body
        self._journal_bytes = journal_bytes

    async def measure(self, count: int) -> dict[str, list[int]]:
        """Nanoseconds of each floor but the disk's, so many times, after one that is left out."""
        found = {
            RECEIVE: await self._receive(count + 1),
            DECODE: await self._paced(count + 1, self._decode()),
            SIGN: await self._paced(count + 1, self._sign()),
        }
        found[POST] = await self._post(count + 1)
        return {name: each[1:] for name, each in found.items()}

    async def _paced(self, count: int, call: Callable[[], object]) -> list[int]:
        found = []
        for _ in range(count):
            await asyncio.sleep(PACE_S)
            found.append(_timed(call))
        return found

    @staticmethod
    def _decode() -> Callable[[], object]:
        raw = book_frame(1, 1_763_690_000_000).decode()
        return lambda: bare_decode(raw)

    def _sign(self) -> Callable[[], object]:
        body = self._body
        bid, ask = [
            (match[3].decode(), match[1].decode(), match[2].decode())
            for match in _MODIFY.finditer(body)
        ]
        nonce, expires_ms = (int(one[1]) for one in re.finditer(_NUMBERS, body))
        assert inlined_requote((bid, ask), 0, nonce, expires_ms) == body
        return lambda: inlined_requote((bid, ask), 0, nonce, expires_ms)

    @contextmanager
    def disk(self) -> Iterator[Callable[[list[int]], None]]:
        """What appends once to a file of its own, and adds the nanoseconds it took to a list."""
        data = bytes(self._journal_bytes)
        with self._path.open("ab", buffering=0) as file:
            # A closed file raises; its bare number could have become a socket's.
            def append() -> None:
                fd = file.fileno()
                os.write(fd, data)
                os.fdatasync(fd)

            yield lambda found: found.append(_timed(append))

    async def _receive(self, count: int) -> list[int]:
        began_ns = 0
        inner = ResponseHandler.data_received

        def data_received(handler: ResponseHandler, data: bytes) -> None:
            nonlocal began_ns
            if len(data) > FRAME_BYTES_MIN:
                began_ns = perf_counter_ns()
            inner(handler, data)

        found = []
        with patch.object(ResponseHandler, "data_received", data_received):
            # On a connection of its own: a loop may look a protocol's method up once for all.
            async with (
                aiohttp.ClientSession(self._base_url) as session,
                session.ws_connect("/bare", autoping=False, compress=0) as socket,
            ):
                for _ in range(count):
                    await socket.send_str("next")
                    await socket.receive()
                    found.append(perf_counter_ns() - began_ns)
        return found

    async def _post(self, count: int) -> list[int]:
        ended_ns = 0
        inner = StreamWriter._writelines  # noqa: SLF001 - where a body meets its transport

        def end() -> None:
            nonlocal ended_ns
            ended_ns = perf_counter_ns()

        def writelines(writer: StreamWriter, chunks: Any) -> None:  # noqa: ANN401 - buffers
            inner(writer, chunks)
            when_in_kernel(end)

        found = []
        with patch.object(StreamWriter, "_writelines", writelines):
            for _ in range(count):
                await asyncio.sleep(PACE_S)
                began_ns = perf_counter_ns()
                async with self._session.post("/exchange", data=self._body, headers=JSON) as answer:
                    assert answer.ok
                    await answer.read()
                found.append(ended_ns - began_ns)
        return found


def _timed(call: Callable[[], object]) -> int:
    began_ns = perf_counter_ns()
    call()
    return perf_counter_ns() - began_ns
