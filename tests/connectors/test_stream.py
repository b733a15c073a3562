"""One connection that is kept: its deadlines, its waits, and that it reads and closes properly."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from connectors.stream import Backoff, Network, Stream, StreamSettings
from connectors.windows import Window
from engine.drive.seams import Clock, SeededRandomness
from engine.drive.virtual_time import VirtualTimeLoop, run_virtual, virtual_clock
from engine.errors import ModelError, TransportError
from engine.model.units import NS_PER_S
from tests.connectors.fakes import FakeDialer, FakeSocket, ScriptedRandomness, virtually


class Listener:
    """Writes down what a stream tells its owner, with the seconds since the start."""

    def __init__(self, clock: Clock) -> None:
        self.heard: list[tuple[float, str]] = []
        self.stream: Stream | None = None
        self.greeting = ""
        self._clock = clock

    def note(self, what: str) -> None:
        self.heard.append((self._clock.monotonic_ns() / NS_PER_S, what))

    async def on_up(self) -> None:
        self.note("up")
        if self.greeting:
            assert self.stream is not None
            await self.stream.send(self.greeting)

    def on_frame(self, frame: str | bytes, ts_local_ns: int) -> None:
        assert ts_local_ns == self._clock.now_ns()
        if frame == "poison":
            raise ValueError(frame)
        self.note(f"frame {frame!r}")

    def on_down(self, reason: str) -> None:
        self.note(f"down: {reason}")


class Rig:
    """A stream with its dialer and listener, in the running virtual loop."""

    def __init__(self, *, jitter: float = 1.0, dials: int = 0, **settings: object) -> None:
        self.clock = virtual_clock()
        self.dialer = FakeDialer()
        self.listener = Listener(self.clock)
        network = Network(
            self.dialer,
            self.clock,
            ScriptedRandomness(jitter),
            Window(dials, 60, self.clock) if dials else None,
        )
        defaults: dict[str, Any] = {"name": "test", "url": "ws://venue/ws", "silent_s_max": 35.0}
        self.stream = Stream(StreamSettings(**defaults | settings), self.listener, network)
        self.listener.stream = self.stream

    async def up(self) -> FakeSocket:
        """Start, and give the first socket."""
        self.stream.start()
        await self.dialer.dialled.wait()
        await asyncio.sleep(0)
        return self.dialer.sockets[0]

    async def finish(self) -> list[tuple[float, str]]:
        await self.stream.aclose()
        return self.listener.heard


@virtually
async def test_frames_are_handed_over_in_order_with_the_time_they_came() -> None:
    rig = Rig()
    socket = await rig.up()
    socket.put("one")
    await asyncio.sleep(1)
    socket.put(b"two")
    await asyncio.sleep(1)

    assert [(0.0, "up"), (0.0, "frame 'one'"), (1.0, "frame b'two'")] == await rig.finish()


@virtually
async def test_a_connection_silent_for_too_long_is_lost_though_we_keep_sending() -> None:
    rig = Rig(silent_s_max=35, ping="ping", ping_every_s=5)
    socket = await rig.up()
    await asyncio.sleep(10)
    socket.put("last")
    await asyncio.sleep(34.9)
    assert 1 == len(rig.listener.heard) - 1
    assert socket.sent == ["ping"] * 8

    await asyncio.sleep(0.2)

    assert not rig.stream.is_up
    assert (45.0, "down: nothing received for 35 s") == (await rig.finish())[-1]


@virtually
async def test_a_sign_of_life_without_a_message_moves_the_deadline_and_is_not_handed_over() -> None:
    rig = Rig(silent_s_max=45)
    socket = await rig.up()
    for _ in range(10):
        await asyncio.sleep(30)
        socket.put("")
    await asyncio.sleep(44)

    assert rig.stream.is_up
    assert [(0.0, "up")] == await rig.finish()


@virtually
async def test_a_lost_connection_is_closed_and_made_anew() -> None:
    rig = Rig()
    socket = await rig.up()
    await asyncio.sleep(7)
    socket.lose("connection reset")
    await asyncio.sleep(1)

    assert socket.is_closed
    assert 2 == rig.stream.connects
    assert [(0.0, "up"), (7.0, "down: connection reset"), (7.5, "up")] == await rig.finish()


@pytest.mark.parametrize(
    ("jitter", "backoff", "expected"),
    [
        (1.0, Backoff(1, 30, 0.5), [1, 2, 4, 8, 16, 30, 30, 30]),
        (0.0, Backoff(1, 30, 0.5), [0.5, 1, 2, 4, 8, 15, 15, 15]),
        (0.5, Backoff(0.5, 8, 0.0), [0.25, 0.5, 1, 2, 4, 4, 4, 4]),
    ],
)
def test_waits_between_tries_double_up_to_a_bound_and_are_spread_by_chance(
    jitter: float, backoff: Backoff, expected: list[float]
) -> None:
    async def play() -> list[float]:
        rig = Rig(jitter=jitter, backoff=backoff)
        rig.dialer.refuse = len(expected)
        moments: list[float] = []
        rig.stream.start()
        while rig.stream.connects == 0:
            await rig.dialer.dialled.wait()
            rig.dialer.dialled.clear()
            moments.append(rig.clock.monotonic_ns() / NS_PER_S)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await rig.stream.aclose()
        return [after - before for before, after in itertools.pairwise(moments)]

    assert expected == run_virtual(play())


def test_the_wait_of_the_thousandth_try_is_still_the_bound() -> None:
    assert 0 <= Backoff(0.5, 30.0).wait_s(1_000_000, SeededRandomness(1)) <= 30


@virtually
async def test_a_connection_that_dies_at_once_does_not_start_the_waits_anew() -> None:
    rig = Rig(backoff=Backoff(1, 30, 1), healthy_s=60)
    rig.dialer.on_socket = lambda socket: socket.lose("gone")
    rig.stream.start()
    await asyncio.sleep(1 + 2 + 4 + 8 + 0.5)

    ups = [at for at, what in await rig.finish() if what == "up"]
    assert [0, 1, 3, 7, 15] == ups


@virtually
async def test_a_healthy_life_starts_the_waits_anew() -> None:
    rig = Rig(backoff=Backoff(1, 30, 1), healthy_s=60, silent_s_max=1000)
    rig.dialer.refuse = 3
    rig.stream.start()
    await asyncio.sleep(7.5)
    (socket,) = rig.dialer.sockets
    await asyncio.sleep(59.5)
    socket.lose("gone")
    await asyncio.sleep(1.5)

    assert [(7, "up"), (67, "down: gone"), (68, "up")] == await rig.finish()


@virtually
async def test_no_more_connections_are_made_in_a_minute_than_the_venue_allows() -> None:
    rig = Rig(backoff=Backoff(0.1, 0.1, 1), dials=30)
    rig.dialer.on_socket = lambda socket: socket.lose("gone")
    rig.stream.start()
    await asyncio.sleep(59.9)
    assert 30 == len(rig.dialer.dials)

    await asyncio.sleep(60)
    assert 60 == len(rig.dialer.dials)
    await rig.finish()


@virtually
async def test_a_dial_that_hangs_is_given_up_and_tried_again() -> None:
    rig = Rig(dial_timeout_s=10, backoff=Backoff(1, 30, 1))
    hang = asyncio.Event()

    async def dial(url: str, _: object = None) -> FakeSocket:
        rig.dialer.dials.append((url, None))
        if len(rig.dialer.dials) == 1:
            await hang.wait()
        return FakeSocket()

    rig.dialer.dial = dial  # type: ignore[method-assign, assignment]
    rig.stream.start()
    await asyncio.sleep(12)

    assert [(11.0, "up")] == await rig.finish()


@virtually
async def test_a_mistake_in_reading_a_frame_does_not_leave_a_connection_nobody_reads() -> None:
    rig = Rig()
    socket = await rig.up()
    socket.put("poison")
    await asyncio.sleep(1)
    rig.dialer.sockets[1].put("good")
    await asyncio.sleep(1)

    heard = await rig.finish()
    assert [(0.0, "up"), (0.0, "down: failed"), (0.5, "up"), (1.0, "frame 'good'")] == heard


@virtually
async def test_a_greeting_is_sent_on_every_connection() -> None:
    rig = Rig()
    rig.listener.greeting = "subscribe"
    socket = await rig.up()
    await asyncio.sleep(1)
    socket.lose()
    await asyncio.sleep(1)
    await rig.finish()

    assert [["subscribe"], ["subscribe"]] == [socket.sent for socket in rig.dialer.sockets]


@virtually
async def test_sending_without_a_connection_is_refused() -> None:
    rig = Rig()
    with pytest.raises(TransportError, match="no connection"):
        await rig.stream.send("hello")


@virtually
async def test_a_dropped_connection_is_made_anew_and_a_second_drop_does_nothing() -> None:
    rig = Rig()
    await rig.up()
    rig.stream.drop("a gap")
    rig.stream.drop("another")
    await asyncio.sleep(1)

    assert [(0.0, "up"), (0.0, "down: a gap"), (0.5, "up")] == await rig.finish()


@virtually
async def test_closing_ends_the_stream_and_its_socket_and_may_be_done_twice() -> None:
    rig = Rig(ping="ping")
    socket = await rig.up()
    await rig.stream.aclose()
    await rig.stream.aclose()
    await asyncio.sleep(3600)

    assert socket.is_closed
    assert not rig.stream.is_up
    assert 1 == len(rig.dialer.dials)
    assert 1 == len(asyncio.all_tasks())


@virtually
async def test_a_deadline_of_nothing_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ModelError, match="silent_s_max"):
        Rig(silent_s_max=0.0)


class SleepyClock:
    """A clock that can be asleep: the time of day goes on, the time that never jumps does not."""

    def __init__(self, clock: Clock) -> None:
        self.asleep_ns = 0
        self._clock = clock

    def now_ns(self) -> int:
        return self._clock.now_ns() + self.asleep_ns

    def monotonic_ns(self) -> int:
        return self._clock.monotonic_ns()


class Sleeper(Rig):
    """A stream whose process can stand still, or whose machine can sleep."""

    def __init__(self, *, still_s_max: float) -> None:
        super().__init__(still_s_max=still_s_max)
        self.sleepy = SleepyClock(self.clock)
        network = Network(self.dialer, self.sleepy, ScriptedRandomness(1.0))
        self.listener = Listener(self.sleepy)
        self.stream = Stream(self.stream.settings, self.listener, network)

    def stand_still(self, seconds: float, *, is_asleep: bool) -> None:
        """So much time passes, and nothing of this process runs."""
        if is_asleep:
            self.sleepy.asleep_ns += round(seconds * NS_PER_S)
        else:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualTimeLoop)
            loop.elapsed_ns += round(seconds * NS_PER_S)


@pytest.mark.parametrize("is_asleep", [True, False])
@pytest.mark.parametrize("waits", [True, False])
def test_what_waited_while_the_process_stood_still_is_not_handed_over(
    *, is_asleep: bool, waits: bool
) -> None:
    @virtually
    async def play() -> None:
        rig = Sleeper(still_s_max=5.0)
        socket = await rig.up()
        await asyncio.sleep(10.5)
        if waits:
            socket.put("old")
        # The last pulse was half a second ago.
        rig.stand_still(4.6, is_asleep=is_asleep)
        await asyncio.sleep(3)
        rig.dialer.sockets[1].put("new")
        await asyncio.sleep(1)

        heard = [what for _, what in await rig.finish()]
        assert ["up", "down: this process stood still for 5 s", "up", "frame 'new'"] == heard
        assert socket.is_closed

    play()


@pytest.mark.parametrize("is_asleep", [True, False])
def test_a_process_that_stood_still_for_no_longer_than_allowed_goes_on(*, is_asleep: bool) -> None:
    @virtually
    async def play() -> None:
        rig = Sleeper(still_s_max=5.0)
        socket = await rig.up()
        await asyncio.sleep(10.5)
        socket.put("late")
        # With the half second since the last pulse and that to the next one: just as long.
        rig.stand_still(4, is_asleep=is_asleep)
        await asyncio.sleep(10)

        assert ["up", "frame 'late'"] == [what for _, what in await rig.finish()]

    play()


@virtually
async def test_a_clock_that_was_set_back_does_not_hide_that_the_process_stood_still() -> None:
    rig = Sleeper(still_s_max=5.0)
    socket = await rig.up()
    await asyncio.sleep(10.5)
    socket.put("old")
    rig.stand_still(20, is_asleep=False)
    rig.stand_still(-20, is_asleep=True)
    await asyncio.sleep(3)

    heard = [what for _, what in await rig.finish()]
    assert ["up", "down: this process stood still for 20 s", "up"] == heard
