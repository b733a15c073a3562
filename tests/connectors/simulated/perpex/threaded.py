"""A scene whose event loop runs in a thread, for clients that know nothing of asyncio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tests.connectors.simulated.perpex.scene import WAIT_S, Scene, serving

_T = TypeVar("_T")


class Threaded:
    """The scene, and a way to do something in its loop."""

    def __init__(self, scene: Scene, loop: asyncio.AbstractEventLoop) -> None:
        self.scene = scene
        self._loop = loop

    def run(self, work: Callable[[Scene], Awaitable[_T]]) -> _T:
        """Do something with the scene in its own loop, and wait for it."""

        async def run() -> _T:
            return await work(self.scene)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(WAIT_S)


@contextmanager
def threaded(**given: Any) -> Iterator[Threaded]:  # noqa: ANN401 - as `serving`
    """As `serving`, in a thread of its own."""
    ready = threading.Event()
    found: list[Threaded] = []
    stopping = asyncio.Event()

    async def serve() -> None:
        async with serving(**given) as scene:
            found.append(Threaded(scene, asyncio.get_running_loop()))
            ready.set()
            await stopping.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(WAIT_S)
    try:
        yield found[0]
    finally:

        async def stop(_: Scene) -> None:
            stopping.set()

        found[0].run(stop)
        thread.join(WAIT_S)
