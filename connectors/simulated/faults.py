"""What goes wrong on purpose: scripted by a test, in the process, and the same every time.

    venue.faults.http(Fault("drop_after", path="/exchange", action="order"))
    venue.faults.ws.hold("trades", coin="BTC"); ...; venue.faults.ws.release()

HTTP faults wait in a list; the first that matches a request is used up by it, after letting `skip`
matching requests pass. WebSocket faults act on every open connection, at once.

    refuse        no answer at all: the connection is reset before the request is looked at
    status_429    refused for its weight: not carried out
    bad_gateway   502 with a page of HTML: not carried out
    null_500      500 with the body `null`: not carried out
    hang_before   not carried out, never answered
    drop_after    carried out, then the connection is reset without an answer
    hang_after    carried out, never answered
    late_502      carried out, then answered by a 502 with HTML
    garbage       carried out, then answered by bytes that are no JSON
    delay         carried out after `delay_s`, then answered
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, Protocol, get_args

import msgspec

from engine.errors import ModelError

Kind = Literal[
    "refuse",
    "status_429",
    "bad_gateway",
    "null_500",
    "hang_before",
    "drop_after",
    "hang_after",
    "late_502",
    "garbage",
    "delay",
]
KINDS: Final[tuple[str, ...]] = get_args(Kind)
HTML: Final = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
HELD_MAX: Final = 100_000


class Fault(msgspec.Struct, frozen=True):
    """One HTTP fault. `action` is the type of the action or info request; empty matches any."""

    kind: Kind
    path: str = ""
    action: str = ""
    skip: int = 0
    delay_s: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ModelError(f"fault {self.kind!r}, expected one of {', '.join(KINDS)}")


class Wire(Protocol):
    """One WebSocket connection as faults see it."""

    def send_now(self, frame: dict[str, Any]) -> None:
        """Send a frame past every fault."""
        ...

    def close_cleanly(self) -> None:
        """Close with a closing handshake."""
        ...

    def reset(self) -> None:
        """Break the connection off."""
        ...

    def freeze(self) -> None:
        """Read and write nothing any more, and stay open."""
        ...


class _Waiting(msgspec.Struct, eq=False):
    fault: Fault
    skip: int


class _Rule(msgspec.Struct):
    """What is done to frames of a channel, and of a coin when one is named."""

    kind: Literal["hold", "stall", "drop", "duplicate"]
    channel: str
    coin: str
    left: int


class WsFaults:
    """Faults of the WebSocket connections. `wires` are those that are open."""

    def __init__(self) -> None:
        self.wires: list[Wire] = []
        self._rules: list[_Rule] = []
        self._held: list[tuple[Wire, dict[str, Any]]] = []

    def close_all(self) -> None:
        """Close every connection with a handshake."""
        for wire in tuple(self.wires):
            wire.close_cleanly()

    def reset_all(self) -> None:
        """Break every connection off."""
        for wire in tuple(self.wires):
            wire.reset()

    def freeze_all(self) -> None:
        """Leave every connection half open: no byte more, and no end."""
        for wire in tuple(self.wires):
            wire.freeze()

    def stall(self, channel: str, coin: str = "") -> None:
        """Send no more frames of a channel (of a coin), while the others go on."""
        self._rules.append(_Rule("stall", channel, coin, -1))

    def drop(self, channel: str, coin: str = "", frames: int = 1) -> None:
        """Lose the next frames."""
        self._rules.append(_Rule("drop", channel, coin, frames))

    def duplicate(self, channel: str, coin: str = "", frames: int = 1) -> None:
        """Send each of the next frames twice."""
        self._rules.append(_Rule("duplicate", channel, coin, frames))

    def hold(self, channel: str, coin: str = "") -> None:
        """Keep frames back until `release`."""
        self._rules.append(_Rule("hold", channel, coin, -1))

    def release(self) -> None:
        """Send what was held, in order, now late; end every stall and hold."""
        self._rules = [rule for rule in self._rules if rule.left > 0]
        held, self._held = self._held, []
        for wire, frame in held:
            wire.send_now(frame)

    def passes(self, wire: Wire, frame: dict[str, Any]) -> int:
        """How often a frame is to be sent now: 0, 1 or 2."""
        for rule in self._rules:
            if not rule.left or not _matches(rule, frame):
                continue
            rule.left -= rule.left > 0
            if rule.kind == "hold" and len(self._held) < HELD_MAX:
                self._held.append((wire, frame))
            return 2 if rule.kind == "duplicate" else 0
        return 1


class Faults:
    """Every fault of a venue. The server sets `listen`, which opens or closes its ports."""

    def __init__(self) -> None:
        self.ws = WsFaults()
        self.listen: list[Callable[[bool], Awaitable[None]]] = []
        self.used: list[Fault] = []
        self._waiting: list[_Waiting] = []
        self._hung: set[asyncio.Event] = set()

    def http(self, fault: Fault) -> None:
        """Let one fault wait for its request."""
        self._waiting.append(_Waiting(fault, fault.skip))

    def clear(self) -> None:
        """Forget every HTTP fault that still waits."""
        self._waiting.clear()

    def take(self, path: str, action: str) -> Fault | None:
        """The fault this request meets, used up by it."""
        for waiting in self._waiting:
            fault = waiting.fault
            if fault.path in {"", path} and fault.action in {"", action}:
                if waiting.skip:
                    waiting.skip -= 1
                    continue
                self._waiting.remove(waiting)
                self.used.append(fault)
                return fault
        return None

    async def hang(self) -> None:
        """Wait until the caller leaves or the venue stops."""
        event = asyncio.Event()
        self._hung.add(event)
        try:
            await event.wait()
        finally:
            self._hung.discard(event)

    def release_hung(self) -> None:
        """Let every request that hangs end."""
        for event in self._hung:
            event.set()

    async def refuse_connections(self) -> None:
        """Stop listening: a new connection is refused. Open ones stay."""
        for listen in self.listen:
            await listen(False)  # noqa: FBT003 - open or not is all it takes

    async def accept_connections(self) -> None:
        """Listen again, on the same ports."""
        for listen in self.listen:
            await listen(True)  # noqa: FBT003 - open or not is all it takes


def _matches(rule: _Rule, frame: dict[str, Any]) -> bool:
    if frame.get("channel") != rule.channel:
        return False
    if rule.coin in {"", frame.get("symbol")}:
        return True
    data = frame.get("data")
    row = data[0] if isinstance(data, list) and data else data
    if not isinstance(row, dict):
        return False
    return rule.coin in {row.get("coin"), row.get("s")}
