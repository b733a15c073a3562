"""Random small tapes and a strategy that does random things, for holding the two drivers equal."""

from __future__ import annotations

import random

import numpy as np

from backtests.tape import Stream, StreamKind, Tape
from backtests.tape.schema import IntArray
from engine.model.events import Bar, BookTop, FundingRate, OrderEvent, OrderFilled, Quote, Trade
from engine.model.instruments import Instrument, MarginTier
from engine.model.intents import AnyIntent, WakeAt
from engine.model.units import NS_PER_MS, NS_PER_S, Side, Tif
from strategies.api import (
    Bars,
    Books,
    Funding,
    Intents,
    Params,
    Quotes,
    Strategy,
    Subscription,
    Timer,
    Trades,
)

TICK0 = 30_000
START_NS = 1_700_000_000 * NS_PER_S


def instrument(coin: str) -> Instrument:
    """A perpetual at about 3,000.0 with a tick of 0.1 and a lot of 0.01."""
    return Instrument(
        id=f"hl:{coin}",
        venue="hl",
        coin=coin,
        px_decimals=1,
        sz_decimals=2,
        margin_tiers=(MarginTier(0, 25), MarginTier(200_000 * 10**8, 10)),
    )


def stamps(rng: np.random.Generator, n: int, run: int) -> tuple[IntArray, IntArray]:
    """Venue and local stamps: many equal, and somewhere a run of `run` equal ones."""
    gaps = rng.choice([0, 0, NS_PER_MS, 3 * NS_PER_MS, 40 * NS_PER_MS], size=n).astype(np.int64)
    if run:
        at = int(rng.integers(0, max(1, n - run)))
        gaps[at + 1 : at + run] = 0
    venue = START_NS + np.cumsum(gaps)
    delay = int(rng.choice([0, 0, NS_PER_MS, 7 * NS_PER_MS]))
    jitter = rng.choice([0, 0, NS_PER_MS], size=n).astype(np.int64) if rng.random() < 0.4 else 0
    return venue, np.maximum.accumulate(venue + delay + jitter)


def walk(rng: np.random.Generator, n: int) -> IntArray:
    """A best bid in ticks that moves by a few ticks and sometimes jumps."""
    steps = rng.choice([0, 0, 0, 1, -1, 2, -2, 6, -6], size=n)
    return TICK0 + np.cumsum(steps)


def lots(rng: np.random.Generator, n: int) -> IntArray:
    """Sizes from a fraction of an order to several of them."""
    return rng.integers(1, 400, size=n)


def quote_stream(rng: np.random.Generator, where: Instrument, n: int, run: int) -> Stream:
    """Quotes, some of them one-sided."""
    venue, local = stamps(rng, n, run)
    bid = walk(rng, n)
    ask = bid + rng.choice([1, 1, 2, 4], size=n)
    bid_lots, ask_lots = lots(rng, n), lots(rng, n)
    empty = rng.random(n) < 0.02
    bid, bid_lots = np.where(empty, 0, bid), np.where(empty, 0, bid_lots)
    columns = dict(zip(("ts_venue_ns", "ts_local_ns"), (venue, local), strict=True))
    columns |= {"bid_ticks": bid, "bid_lots": bid_lots, "ask_ticks": ask, "ask_lots": ask_lots}
    return Stream.from_columns(StreamKind.QUOTE, where, columns)


def trade_stream(rng: np.random.Generator, where: Instrument, n: int, run: int) -> Stream:
    """Trades around a wandering price."""
    venue, local = stamps(rng, n, run)
    columns = {
        "ts_venue_ns": venue,
        "ts_local_ns": local,
        "px_ticks": walk(rng, n) + rng.choice([0, 1], size=n),
        "sz_lots": lots(rng, n),
        "side": rng.choice([1, -1], size=n).astype(np.int8),
        "trade_id": np.arange(n, dtype=np.int64) + 1,
    }
    return Stream.from_columns(StreamKind.TRADE, where, columns)


def bar_stream(rng: np.random.Generator, where: Instrument, n: int) -> Stream:
    """One-second bars."""
    close_ns = START_NS + (np.arange(n, dtype=np.int64) + 1) * NS_PER_S
    close = walk(rng, n)
    opened = np.concatenate([[TICK0], close[:-1]])
    columns = {
        "ts_venue_ns": close_ns,
        "ts_local_ns": close_ns,
        "open_ticks": opened,
        "high_ticks": np.maximum(opened, close) + rng.integers(0, 4, size=n),
        "low_ticks": np.minimum(opened, close) - rng.integers(0, 4, size=n),
        "close_ticks": close,
        "volume_lots": lots(rng, n),
    }
    return Stream.from_columns(StreamKind.BAR, where, columns, interval_ns=NS_PER_S)


def book_stream(rng: np.random.Generator, where: Instrument, n: int, run: int) -> Stream:
    """A five-level book as changes, with a keyframe every 50 rows."""
    venue, local = stamps(rng, n, run)
    best = walk(rng, n)
    spread = rng.choice([1, 1, 2, 3], size=n)
    held: list[dict[int, int]] = [{}, {}]
    off, ask_off, ticks, sizes, snapshots, top = [0], [], [], [], [], []
    for i in range(n):
        is_snapshot = i % 50 == 0
        snapshots.append(int(is_snapshot))
        first = int(best[i])
        for side, (start, sign) in enumerate(((first, -1), (first + int(spread[i]), 1))):
            levels = [start + sign * k for k in range(5)]
            wanted = {px: held[side].get(px) or int(rng.integers(1, 400)) for px in levels}
            wanted[levels[int(rng.integers(0, 5))]] = int(rng.integers(1, 400))
            before = {} if is_snapshot else held[side]
            changes = [(px, 0) for px in before if px not in wanted]
            changes += [(px, sz) for px, sz in wanted.items() if before.get(px) != sz]
            if is_snapshot:
                changes.sort(key=lambda item: sign * item[0])
            ticks += [px for px, _ in changes]
            sizes += [sz for _, sz in changes]
            held[side] = wanted
            if side == 0:
                ask_off.append(len(ticks))
        off.append(len(ticks))
        bid, ask = max(held[0]), min(held[1])
        top.append((bid, held[0][bid], ask, held[1][ask]))
    tops = np.array(top, dtype=np.int64).T
    columns = {
        "ts_venue_ns": venue,
        "ts_local_ns": local,
        "seq": np.arange(n, dtype=np.int64),
        "is_snapshot": np.array(snapshots, dtype=np.int8),
        "off": np.array(off, dtype=np.int64),
        "ask_off": np.array(ask_off, dtype=np.int64),
        "bid_ticks": tops[0],
        "bid_lots": tops[1],
        "ask_ticks": tops[2],
        "ask_lots": tops[3],
        "chg_ticks": np.array(ticks, dtype=np.int64),
        "chg_lots": np.array(sizes, dtype=np.int64),
    }
    return Stream.from_columns(StreamKind.BOOK, where, columns)


def context_stream(rng: np.random.Generator, where: Instrument, n: int) -> Stream:
    """Marks and oracles near the market."""
    venue, local = stamps(rng, n, 0)
    mark = walk(rng, n)
    columns = {
        "ts_venue_ns": venue,
        "ts_local_ns": local,
        "mark_px": mark / 10,
        "oracle_px": (mark + rng.integers(-3, 4, size=n)) / 10,
        "funding_rate": np.full(n, 0.0000125),
        "open_interest": np.full(n, 1000.0),
    }
    return Stream.from_columns(StreamKind.CONTEXT, where, columns)


def funding_stream(rng: np.random.Generator, where: Instrument, n: int) -> Stream:
    """Settlements at random rates."""
    venue, local = stamps(rng, n, 0)
    rates = rng.integers(-200_000, 200_000, size=n)
    columns = {"ts_venue_ns": venue, "ts_local_ns": local, "rate_ppb": rates}
    return Stream.from_columns(StreamKind.FUNDING, where, columns)


def random_tape(seed: int) -> Tape:
    """A tape of one or two instruments, some of every kind of stream; every 80th has long runs."""
    rng = np.random.default_rng(seed)
    is_long = seed % 80 == 0
    n = 1_400 if is_long else int(rng.integers(12, 80))
    run = 1_100 if is_long else 0
    streams: list[Stream] = []
    for coin in ("AAA", "BBB")[: int(rng.integers(1, 3))]:
        where = instrument(coin)
        chosen = int(rng.integers(1, 16))
        if chosen & 1:
            streams.append(quote_stream(rng, where, n, run))
        if chosen & 2:
            streams.append(trade_stream(rng, where, n, run))
        if chosen & 4:
            streams.append(book_stream(rng, where, n, run))
        if chosen & 8:
            streams.append(bar_stream(rng, where, max(3, n // 10)))
        if rng.random() < 0.3:
            streams.append(context_stream(rng, where, max(2, n // 8)))
        if rng.random() < 0.4:
            streams.append(funding_stream(rng, where, max(1, n // 20)))
    return Tape.in_memory(streams)


class Restless(Strategy):
    """Does something random at many wakes, and remembers every event it saw."""

    class Params(Params, frozen=True):
        """What decides its acts, what the data can wake it with, and how often it acts."""

        seed: int
        kinds: tuple[str, ...]
        rate: float = 0.15

    params: Params

    def subscriptions(self) -> list[Subscription]:
        """Whatever the data has, and a timer."""
        found: list[Subscription] = [Timer("beat", "1s"), Funding()]
        names: dict[str, Subscription] = {
            "quote": Quotes(),
            "trade": Trades(),
            "book": Books(),
            "bar": Bars("1s", history=3),
            "built": Bars("2s"),
        }
        return found + [names[kind] for kind in self.params.kinds]

    def on_start(self) -> Intents:
        """Set up."""
        self.random = random.Random(self.params.seed)  # noqa: S311 - repeatable, and no secret
        self.saw: list[str] = []
        self.mine: list[tuple[str, str]] = []
        return None

    def _act(self, event: object, share: float = 1.0) -> Intents:
        self.saw.append(f"{self.view.now_ns} {event!r}")
        draw = self.random
        if draw.random() > self.params.rate * share:
            return None
        wishes: list[AnyIntent] = []
        for _ in range(draw.choice([1, 1, 2, 3])):
            wishes += self._wish(draw)
        return wishes

    def _wish(self, draw: random.Random) -> list[AnyIntent]:  # noqa: PLR0911 - one a kind
        where = draw.choice(self.instruments)
        mark = self.view.mark_px(where)
        if mark is None:
            return []
        side = draw.choice([Side.BUY, Side.SELL])
        px = mark + draw.choice([-8, -3, -1, 0, 1, 3, 8]) / 10
        sz = draw.choice([0.05, 0.5, 1.0, 2.5])
        choice = draw.randrange(12)
        if choice < 4:
            order = self.limit(where, side, px, sz, tif=draw.choice(list(Tif)))
            self.mine.append((where, order.cloid))
            return [order]
        if choice == 4:
            return [self.market(where, side, sz)]
        if choice == 5 and self.mine:
            return [self.cancel(*self.mine.pop(draw.randrange(len(self.mine))))]
        if choice == 6 and self.mine:
            where, cloid = draw.choice(self.mine)
            return [self.modify(where, cloid, px, sz)]
        if choice == 7:
            return [self.target(where, draw.choice([-1.0, 0.0, 1.0]))]
        if choice == 8:
            return [self.stop_loss(where, side, sz, mark + side * draw.choice([2, 6]) / 10)]
        if choice == 9:
            return [self.quote(where, draw.choice("ab"), side, px, sz)]
        if choice == 10:
            entry = self.limit(where, side, px, sz)
            offset = side * 6 / 10
            return [self.bracket(entry, stop_px=px - offset, take_profit_px=px + offset)]
        last: list[AnyIntent] = [self.cancel_all(where), self.close(where), self._later(draw)]
        return [draw.choice(last)]

    def _later(self, draw: random.Random) -> WakeAt:
        return self.wake_at("later", self.view.now_ns + draw.choice([0, 5, 50]) * NS_PER_MS)

    def on_quote(self, quote: Quote) -> Intents:
        """Act."""
        return self._act(quote)

    def on_trade(self, trade: Trade) -> Intents:
        """Act."""
        return self._act(trade)

    def on_book(self, top: BookTop) -> Intents:
        """Act, having read the depth."""
        depth = self.view.book(top.instrument) if self.random.random() < 0.1 else None
        if depth is not None:
            self.saw.append(repr((depth.bids(), depth.asks())))
        return self._act(top)

    def on_bar(self, bar: Bar) -> Intents:
        """Act."""
        return self._act(bar)

    def on_funding(self, funding: FundingRate) -> Intents:
        """Act."""
        return self._act(funding)

    def on_timer(self, name: str) -> Intents:
        """Act."""
        return self._act(name)

    def on_order(self, event: OrderEvent) -> Intents:
        """Act now and then: an answer to every answer would never end."""
        return self._act(event, 0.2)

    def on_fill(self, fill: OrderFilled) -> Intents:
        """Act."""
        return self._act(fill)
