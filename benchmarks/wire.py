"""The wire layer beside its floors: signing and decoding, in microseconds a call and as ratios.

    python -m benchmarks.wire

Signing is measured from the engine's batch to the body of the request, beside the same steps
inlined (structs of finished texts, msgpack, keccak, libsecp256k1 by its C functions, JSON) and
beside the official SDK with coincurve in a venv of its own. Decoding is measured from an l2Book
frame of 20 levels a side, to the typed frame and to the engine's event, beside msgspec alone
decoding the same frame. Repeats are interleaved; a figure is the median of its repeats.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec

from benchmarks.data import ROOT
from benchmarks.floors import bare_decode, inlined_body, untyped_decode
from benchmarks.sdk import SdkMissing, install_sdk
from connectors.hyperliquid.actions import OrderAction
from connectors.hyperliquid.batches import from_batch
from connectors.hyperliquid.envelope import sealed
from connectors.hyperliquid.frames import FrameDecoder
from connectors.hyperliquid.keys import Signer
from connectors.hyperliquid.market_events import MarketEvents
from connectors.hyperliquid.market_frames import BookFrame
from connectors.hyperliquid.quarantine import Quarantine
from engine.cli.table import echo_table
from engine.config.secret import Secret
from engine.drive.seams import wall_seconds
from engine.model.commands import Batch, Place
from engine.model.instruments import MarginTier, hyperliquid_instrument
from engine.model.units import Side, Tif

KEY: Final = "4f" * 32
NONCE: Final = 1_763_690_000_000
CLOID: Final = "0x00000000000000000000000000000001"
ETH: Final = hyperliquid_instrument(
    "hl", "ETH", sz_decimals=4, margin_tiers=(MarginTier(0, 25),), asset=4
)
LEVELS: Final = 20
REPEATS: Final = 15
CALLS: Final = 300
MISSED: Final = "NOT MET"
SCRIPT: Final = Path(__file__).with_name("sdk_timing.py")


class Row(msgspec.Struct, frozen=True):
    """One thing measured beside another.

    Beside a floor it may take `goal` times as long; beside a peer it shall be `goal` times as fast.
    A goal of 0 is none.
    """

    what: str
    ours_us: float
    beside: str
    theirs_us: float
    goal: float = 0.0
    is_peer: bool = False

    @property
    def ratio(self) -> float:
        """Ours over the floor's, or the peer's over ours."""
        return self.theirs_us / self.ours_us if self.is_peer else self.ours_us / self.theirs_us

    @property
    def verdict(self) -> str:
        """Whether the goal is met."""
        if not self.goal:
            return ""
        is_met = self.ratio >= self.goal if self.is_peer else self.ratio <= self.goal
        return "met" if is_met else MISSED


Timing = Callable[[], float]
"""Measures something once: microseconds of one call."""


def of(call: Callable[[], object]) -> Timing:
    """The timing of a call of ours."""

    def measure() -> float:
        start_s = wall_seconds()
        for _ in range(CALLS):
            call()
        return (wall_seconds() - start_s) / CALLS * 1e6

    return measure


def timed(timings: Mapping[str, Timing]) -> dict[str, float]:
    """The median of interleaved repeats, so that a slow moment of the machine meets everyone."""
    found: dict[str, list[float]] = {name: [] for name in timings}
    for _ in range(REPEATS):
        for name, measure in timings.items():
            found[name].append(measure())
    return {name: median(each) for name, each in found.items()}


class Sdk:
    """The official SDK in a process of its own, which times itself when asked."""

    def __init__(self, python: Path) -> None:
        self._process = subprocess.Popen(
            [str(python), str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def of(self, count: int) -> Timing:
        """The timing of so many orders in one batch."""

        def measure() -> float:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(f"{count}\n")
            self._process.stdin.flush()
            return float(self._process.stdout.readline())

        return measure

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=10)


def batch(count: int) -> Batch:
    """So many orders, of different prices and sizes."""
    places = [
        Place(ETH.id, CLOID, Side.BUY, 167_011 + index, 147 + index, Tif.GTC)
        for index in range(count)
    ]
    return Batch("main", "order", tuple(places), 1, count)


def book_frame() -> bytes:
    """An l2Book frame with 20 levels a side."""
    sides = [
        [
            {
                "px": f"{1670 + sign * (index + 1) / 10:.1f}",
                "sz": f"{index + 1}.2345",
                "n": index + 1,
            }
            for index in range(LEVELS)
        ]
        for sign in (-1, 1)
    ]
    data = {"coin": ETH.coin, "time": NONCE, "levels": sides}
    return msgspec.json.encode({"channel": "l2Book", "data": data})


def signing_rows(sdk: Sdk | None) -> list[Row]:
    """From batch to body, 1 and 20 orders."""
    signer, instruments = Signer(Secret(KEY)), {ETH.id: ETH}
    rows = []
    # Beside the SDK only one order has a goal: of 20, the floor itself is hardly 11 times as fast.
    for count, floor_goal, sdk_goal in ((1, 1.25, 10.0), (20, 1.5, 0.0)):
        orders = batch(count)
        action = from_batch(orders, instruments)
        assert isinstance(action, OrderAction)
        texts = [(wire.px, wire.sz) for wire in action.orders]

        def ours(orders: Batch = orders) -> bytes:
            return sealed(from_batch(orders, instruments), NONCE, signer, is_mainnet=True)

        def floor(texts: list[tuple[str, str]] = texts) -> bytes:
            return inlined_body(texts, ETH.asset, CLOID, NONCE)

        assert ours() == floor()
        timings = {"ours": of(ours), "floor": of(floor)}
        if sdk is not None:
            timings["sdk"] = sdk.of(count)
        us = timed(timings)
        what = f"sign {count} order{'s' if count > 1 else ''}"
        rows.append(Row(what, us["ours"], "the same steps inlined", us["floor"], floor_goal))
        if sdk is not None:
            peer = "official SDK + coincurve"
            rows.append(Row(what, us["ours"], peer, us["sdk"], sdk_goal, is_peer=True))
            rows.append(Row("those steps inlined", us["floor"], peer, us["sdk"], is_peer=True))
    return rows


def decoding_rows() -> list[Row]:
    """From an l2Book frame to the typed frame and to the event."""
    raw = book_frame()
    quarantine = Quarantine()
    decoder, market = FrameDecoder(quarantine), MarketEvents([ETH], quarantine)

    def event() -> object:
        frame = decoder.decode(raw)
        return None if frame is None else market.events(frame, NONCE)

    assert isinstance(decoder.decode(raw), BookFrame)
    us = timed(
        {
            "frame": of(lambda: decoder.decode(raw)),
            "event": of(event),
            "bare": of(lambda: bare_decode(raw)),
            "untyped": of(lambda: untyped_decode(raw)),
        }
    )
    assert not quarantine.total
    bare = "msgspec alone, to structs of floats"
    return [
        Row("l2Book to typed frame, checked", us["frame"], bare, us["bare"], 1.3),
        Row("l2Book to BookSnapshot", us["event"], bare, us["bare"]),
        Row("l2Book to BookSnapshot", us["event"], "msgspec alone, untyped", us["untyped"]),
    ]


def measure_wire(*, with_sdk: bool = True) -> list[Row]:
    """Everything; without the SDK, and saying so, where it cannot be installed."""
    sdk = None
    if with_sdk:
        try:
            sdk = Sdk(install_sdk(ROOT / "build" / "sdk"))
        except SdkMissing as error:
            print(f"the official SDK is left out: {error}")
    try:
        return [*signing_rows(sdk), *decoding_rows()]
    finally:
        if sdk is not None:
            sdk.close()


def show_wire(rows: list[Row]) -> None:
    """Print the table."""
    cells = []
    for row in rows:
        goal = f"{'>=' if row.is_peer else '<='} {row.goal:g}x" if row.goal else ""
        ratio = f"{row.ratio:.2f}x {'as fast' if row.is_peer else 'as long'}"
        us = f"{row.ours_us:.1f}", f"{row.theirs_us:.1f}"
        cells.append((row.what, us[0], row.beside, us[1], ratio, goal, row.verdict))
    headers = ("what", "us", "beside", "us", "ratio", "goal", "")
    echo_table(f"The wire layer on Python {sys.version.split()[0]}", headers, cells)


def wire_json(rows: list[Row]) -> list[dict[str, Any]]:
    """Everything as plain values."""
    return [
        {**msgspec.structs.asdict(row), "ratio": row.ratio, "verdict": row.verdict} for row in rows
    ]


if __name__ == "__main__":
    show_wire(measure_wire())
