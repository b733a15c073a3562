"""An asyncio event loop whose time is a number: it jumps to the next timer when nothing is ready.

A day of sleeps runs in no time, and the same way every time. Time is kept in whole nanoseconds, and
timers due at the same nanosecond run in the order they were asked for. Whatever would wait for the
real world (a socket, a pipe, a thread, a signal) is a VirtualTimeError, and so is waiting for ever:
nothing ready and no timer left.
"""

from __future__ import annotations

import asyncio
import heapq
from asyncio.base_events import BaseEventLoop
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Final, NoReturn, TypeVar, TypeVarTuple

from engine.drive.seams import Clock
from engine.errors import VirtualTimeError
from engine.model.units import NS_PER_S

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

START_NS: Final = 1_767_225_600 * NS_PER_S
"""What the clock says at the start unless told otherwise: 2026-01-01T00:00:00Z."""
_TASKS_NAMED_MAX: Final = 10


def run_virtual(main: Coroutine[Any, Any, _T], *, start_ns: int = START_NS) -> _T:
    """Run a coroutine to its end in virtual time, and give its result.

    `start_ns` is what `virtual_clock()` says at the start, in nanoseconds UTC.

    Raises VirtualTimeError when the run would wait for the real world or for ever.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(start_ns)) as runner:
        return runner.run(main)


def virtual_clock() -> Clock:
    """The clock of the running virtual-time loop.

    Raises VirtualTimeError when the running loop is another.
    """
    running = asyncio.get_running_loop()
    if not isinstance(running, VirtualTimeLoop):
        raise VirtualTimeError(f"{running!r} is running, expected the loop of run_virtual")
    return running.clock


def _refused(name: str) -> Any:  # noqa: ANN401 - stands in for methods of every signature
    """A loop method that is not to be had in virtual time."""

    def refuse(_: VirtualTimeLoop, *args: object, **kwargs: object) -> NoReturn:
        given = ", ".join([*map(repr, args), *(f"{key}={kwargs[key]!r}" for key in kwargs)])
        raise VirtualTimeError(
            f"{name}({given}) would wait for the real world, expected only timers and what is in"
            " memory (a MemoryTransport)"
        )

    return refuse


class VirtualTimeLoop(BaseEventLoop):
    """The loop: its own time starts at 0 s, and `clock` at `start_ns` nanoseconds UTC.

    It takes the base class's turn (`_run_once`) into its own hands, since the base class would
    order timers by float seconds and leave those due together in no particular order.
    """

    # What this class uses of the base class beyond its public face.
    _ready: deque[asyncio.Handle]
    _stopping: bool

    def __init__(self, start_ns: int = START_NS) -> None:
        super().__init__()
        self.clock: Clock = _LoopClock(self, start_ns)
        self.elapsed_ns = 0
        self._timers: list[tuple[int, int, asyncio.TimerHandle]] = []
        self._timers_made = 0

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self.elapsed_ns / NS_PER_S

    def call_later(
        self,
        delay: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call back after `delay` seconds, to the nanosecond."""
        when_ns = self.elapsed_ns + round(delay * NS_PER_S)
        return self._schedule(when_ns, callback, args, context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call back when `time()` is `when`."""
        return self._schedule(round(when * NS_PER_S), callback, args, context)

    def _schedule(
        self,
        when_ns: int,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
    ) -> asyncio.TimerHandle:
        if self.is_closed():
            raise RuntimeError("the loop is closed")
        timer = asyncio.TimerHandle(when_ns / NS_PER_S, callback, args, self, context)
        self._timers_made += 1
        heapq.heappush(self._timers, (when_ns, self._timers_made, timer))
        return timer

    def _run_once(self) -> None:
        """One turn: everything ready runs, then timers that are due; if nothing is, time jumps."""
        if not self._ready and not self._stopping:
            self._jump()
        while self._timers and self._timers[0][0] <= self.elapsed_ns:
            self._ready.append(heapq.heappop(self._timers)[2])
        for _ in range(len(self._ready)):
            handle = self._ready.popleft()
            if not handle.cancelled():
                handle._run()  # noqa: SLF001 - as the base class does

    def _jump(self) -> None:
        """Let time pass until the next timer that has not been cancelled."""
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        if not self._timers:
            raise VirtualTimeError(self._describe_deadlock())
        self.elapsed_ns = max(self.elapsed_ns, self._timers[0][0])

    def _describe_deadlock(self) -> str:
        lines = sorted(_where(task) for task in asyncio.all_tasks(self))
        if len(lines) > _TASKS_NAMED_MAX:
            lines[_TASKS_NAMED_MAX:] = [f"and {len(lines) - _TASKS_NAMED_MAX} more"]
        waiting = "".join(f"\n    {line}" for line in lines)
        return (
            f"deadlock after {self.elapsed_ns} virtual ns: nothing is ready and no timer is left,"
            f" expected one of these tasks to be woken:{waiting}"
        )

    def _write_to_self(self) -> None:
        """Nothing sleeps in a system call here, so there is nothing to wake."""

    add_reader = _refused("add_reader")
    add_writer = _refused("add_writer")
    add_signal_handler = _refused("add_signal_handler")
    connect_accepted_socket = _refused("connect_accepted_socket")
    connect_read_pipe = _refused("connect_read_pipe")
    connect_write_pipe = _refused("connect_write_pipe")
    create_connection = _refused("create_connection")
    create_datagram_endpoint = _refused("create_datagram_endpoint")
    create_server = _refused("create_server")
    create_unix_connection = _refused("create_unix_connection")
    create_unix_server = _refused("create_unix_server")
    getaddrinfo = _refused("getaddrinfo")
    getnameinfo = _refused("getnameinfo")
    run_in_executor = _refused("run_in_executor")
    sendfile = _refused("sendfile")
    sock_accept = _refused("sock_accept")
    sock_connect = _refused("sock_connect")
    sock_recv = _refused("sock_recv")
    sock_recv_into = _refused("sock_recv_into")
    sock_recvfrom = _refused("sock_recvfrom")
    sock_recvfrom_into = _refused("sock_recvfrom_into")
    sock_sendall = _refused("sock_sendall")
    sock_sendfile = _refused("sock_sendfile")
    sock_sendto = _refused("sock_sendto")
    start_tls = _refused("start_tls")
    subprocess_exec = _refused("subprocess_exec")
    subprocess_shell = _refused("subprocess_shell")


class _LoopClock:
    """The loop's time as a `Clock`."""

    def __init__(self, loop: VirtualTimeLoop, start_ns: int) -> None:
        self._loop = loop
        self._start_ns = start_ns

    def now_ns(self) -> int:
        return self._start_ns + self._loop.elapsed_ns

    def monotonic_ns(self) -> int:
        return self._loop.elapsed_ns


def _where(task: asyncio.Task[Any]) -> str:
    """A task's name and the line at which it waits."""
    stack = task.get_stack()
    if not stack:
        return task.get_name()
    code, line = stack[-1].f_code, stack[-1].f_lineno
    return f"{task.get_name()}: {code.co_qualname} at {code.co_filename}:{line}"
