"""The benchmarks' strategies do what their rule says, alike under both drivers.

The expected counts come from a second, plain writing of each rule on the same small random market.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil, floor

import msgspec
import numpy as np
import pytest

from backtests.tape import Tape
from backtests.tape.schema import Array, IntArray
from benchmarks.data import STREAMS, Columns
from benchmarks.measure import DRIVERS, Measurement, measure
from benchmarks.workloads import BY_NAME, BarEma, EmaParams, QuoteEma, TradeEma, Workload
from engine.model.units import NS_PER_S

ROWS = 3_000
FAST, SLOW = 20, 100
START_NS = 1_767_225_600 * NS_PER_S
LOTS = 10_000


def walk(seed: int, n: int = ROWS) -> IntArray:
    """A best bid in ticks that wanders and now and then jumps."""
    steps = np.random.default_rng(seed).choice([0, 0, 1, -1, 2, -2, 5, -5], size=n)
    return 30_000 + np.cumsum(steps)


def stamps(n: int = ROWS) -> IntArray:
    """One row each tenth of a second."""
    return START_NS + np.arange(n, dtype=np.int64) * NS_PER_S // 10


def random_sizes(seed: int, n: int = ROWS) -> Array:
    """Sizes below and above that of an order, in base units."""
    return np.random.default_rng(seed).integers(2_000, 40_000, size=n) / LOTS


def quotes() -> Columns:
    bid = walk(1)
    ask = bid + np.random.default_rng(2).choice([1, 1, 2], size=ROWS)
    return {
        "ts": stamps(),
        "bid": bid / 10,
        "ask": ask / 10,
        "bid_sz": random_sizes(3),
        "ask_sz": random_sizes(4),
    }


def trades() -> Columns:
    side = np.random.default_rng(5).choice([1, -1], size=ROWS).astype(np.int8)
    return {"ts": stamps(), "px": walk(6) / 10, "sz": random_sizes(7), "side": side}


def bars() -> Columns:
    close = walk(8)
    opened = np.concatenate([[30_000], close[:-1]])
    return {
        "ts": START_NS + (np.arange(ROWS, dtype=np.int64) + 1) * 60 * NS_PER_S,
        "open": opened / 10,
        "high": (np.maximum(opened, close) + 1) / 10,
        "low": (np.minimum(opened, close) - 1) / 10,
        "close": close / 10,
        "volume": random_sizes(9),
    }


def book_deltas() -> Columns:
    """Three levels a side, told as the changes from one row to the next."""
    best, spread = walk(10).tolist(), np.random.default_rng(11).choice([1, 2, 3], size=ROWS)
    sizes = random_sizes(12, 6 * ROWS).reshape(ROWS, 6).tolist()
    off, side, px, sz = [0], [], [], []
    shown: dict[tuple[int, int], float] = {}
    for i in range(ROWS):
        ask = best[i] + int(spread[i])
        prices = [(1, best[i] - k) for k in range(3)] + [(-1, ask + k) for k in range(3)]
        levels = dict(zip(prices, sizes[i], strict=True))
        gone = {key: 0.0 for key in shown if key not in levels}
        for (where, ticks), size in sorted({**gone, **levels}.items(), reverse=True):
            side.append(where)
            px.append(ticks / 10)
            sz.append(size)
        off.append(len(px))
        shown = levels
    return {
        "ts": stamps(),
        "off": np.array(off),
        "side": np.array(side, dtype=np.int8),
        "px": np.array(px),
        "sz": np.array(sz),
    }


MARKETS: Mapping[str, Callable[[], Columns]] = {
    "quotes": quotes,
    "trades": trades,
    "bars": bars,
    "book_deltas": book_deltas,
}
SMALL = (
    BY_NAME["quotes_noop"],
    *(
        msgspec.structs.replace(BY_NAME[name], make=lambda cls=cls: cls(EmaParams(FAST, SLOW)))
        for name, cls in (
            ("quotes_ema_py", QuoteEma),
            ("trades_ema_py", TradeEma),
            ("bars_ema_py", BarEma),
        )
    ),
    BY_NAME["deltas_mm"],
)


def run(workload: Workload, driver: str, columns: Columns | None = None) -> Measurement:
    columns = columns or MARKETS[workload.tape]()
    tape = Tape.in_memory([STREAMS[workload.tape](columns)])
    return measure(workload, tape, next(known for known in DRIVERS if known == driver))


def work(result: Measurement) -> dict[str, object]:
    """What was done, without who did it and what it took."""
    taken = ("engine", "seconds", "cpu_seconds", "events_per_second", "peak_mb")
    told = msgspec.structs.asdict(result)
    return {name: value for name, value in told.items() if name not in taken}


def turns(prices: list[float]) -> int:
    """How often the fast average crosses the slow one, counting the first side taken."""
    fast = slow = prices[0]
    count, is_up = 0, None
    for seen, px in enumerate(prices, 1):
        fast += 2 / (FAST + 1) * (px - fast)
        slow += 2 / (SLOW + 1) * (px - slow)
        if seen >= SLOW and (fast > slow) is not is_up:
            is_up = fast > slow
            count += 1
    return count


def made_market(columns: Columns) -> dict[str, int]:
    """What the market maker does: orders fill at their price when the other side reaches it."""
    off = columns["off"].tolist()
    ticks = np.rint(columns["px"] * 10).astype(int).tolist()
    lots = np.rint(columns["sz"] * LOTS).astype(int).tolist()
    held: dict[int, dict[int, int]] = {1: {}, -1: {}}
    resting: list[list[int]] = []
    quoted: dict[int, list[int]] = {}
    position = 0.0
    last: float | None = None
    counts = {"orders": 0, "fills": 0, "requotes": 0, "rejects": 0}
    for i in range(len(columns["ts"])):
        for k in range(off[i], off[i + 1]):
            held[int(columns["side"][k])][ticks[k]] = lots[k]
        bid = max(px for px, size in held[1].items() if size)
        ask = min(px for px, size in held[-1].items() if size)
        for side, best in ((1, ask), (-1, bid)):
            left = held[-side][best]
            for order in sorted(resting, key=lambda order: -order[0] * order[1]):
                if order[0] == side and (order[1] - best) * side >= 0 and left:
                    part = min(left, order[2])
                    left, order[2] = left - part, order[2] - part
                    position += side * (part / LOTS)
                    counts["fills"] += 1
                    quoted.pop(side, None)
                    last = None
        resting = [order for order in resting if order[2]]
        mid = (bid + ask) / 2
        if last is not None and abs(mid - last) < 3 - 1e-6:
            continue
        last = mid
        counts["requotes"] += 1
        resting = [order for order in resting if all(order is not own for own in quoted.values())]
        quoted = {}
        for side, px in ((1, floor(mid - 3)), (-1, ceil(mid + 3))):
            if side * position < 20:
                quoted[side] = [side, px, LOTS]
                counts["orders"] += 1
                # What is left of an older order may stand on the wrong side of the market.
                if any(side == -own[0] and (px - own[1]) * side >= 0 for own in resting):
                    counts["rejects"] += 1
                else:
                    resting.append(quoted[side])
    return counts


@pytest.mark.parametrize("workload", SMALL, ids=[workload.name for workload in SMALL])
def test_both_drivers_give_the_same_orders_fills_and_money(workload: Workload) -> None:
    reference, chunked = (run(workload, driver) for driver in DRIVERS)

    assert work(reference) == work(chunked)
    assert ROWS == reference.events
    assert {} == reference.refusals


@pytest.mark.parametrize(
    ("workload", "prices"),
    [
        (SMALL[1], quotes()["bid"]),
        (SMALL[2], trades()["px"]),
        (SMALL[3], bars()["close"]),
    ],
    ids=["bids", "trades", "closes"],
)
def test_the_averages_order_at_every_cross_and_at_no_other_time(
    workload: Workload, prices: Array
) -> None:
    result = run(workload, "chunked")

    assert turns(prices.tolist()) == result.orders
    assert result.orders == result.filled
    assert result.orders > 10
    assert 1.0 == abs(result.position)


def test_the_averages_end_with_one_unit_on_the_side_of_the_fast_one() -> None:
    rising = {**quotes(), "bid": (30_000 + np.arange(ROWS)) / 10}
    rising["ask"] = rising["bid"] + 0.1

    assert 1.0 == run(SMALL[1], "chunked", rising).position


def test_the_averages_order_from_the_event_on_that_fills_the_slow_span() -> None:
    """Flat over the slow span is the lower side, and the rise after it the other."""
    rises_late = np.where(np.arange(ROWS) < SLOW, 30_000, 30_001) / 10
    columns = {**quotes(), "bid": rises_late, "ask": rises_late + 0.1}

    assert 2 == run(SMALL[1], "chunked", columns).orders


def test_the_maker_quotes_and_is_filled_as_its_rule_says() -> None:
    result = run(SMALL[4], "reference")

    expected = made_market(book_deltas())
    assert expected == {
        "orders": result.orders,
        "fills": result.fills,
        "requotes": result.requotes,
        "rejects": sum(result.rejects.values()),
    }
    assert (result.fills or 0) > result.filled, (
        "no order was filled in parts: the data tests too little"
    )


def test_watching_costs_no_order() -> None:
    assert 0 == run(SMALL[0], "chunked").orders
