"""Market frames as events: whole books, trades once, bars when closed, nothing implausible."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.hyperliquid.frames import FrameDecoder
from connectors.hyperliquid.market_events import INTERVALS_MS, TRADES_REMEMBERED, MarketEvents
from connectors.hyperliquid.quarantine import Quarantine, Why
from engine.model.events import AnyEvent, AssetContext, Bar, BookSnapshot, Quote, Trade
from engine.model.instruments import MarginTier, hyperliquid_instrument
from engine.model.units import NS_PER_MS, NS_PER_S, Side
from tests.connectors.hyperliquid.frames_made import (
    EVERY_CHANNEL,
    TIME_MS,
    bbo,
    book,
    candle,
    context,
    frame,
    level,
    trade,
)

NOW_NS = 1_785_251_522_000_000_000
TIME_NS = TIME_MS * NS_PER_MS
TIERS = (MarginTier(0, 40),)
BTC = hyperliquid_instrument("hl", "BTC", sz_decimals=5, margin_tiers=TIERS)
ETH = hyperliquid_instrument("hl", "ETH", sz_decimals=4, margin_tiers=TIERS, asset=1)


class Hearing:
    """A decoder with the events it gives, and its quarantine."""

    def __init__(self) -> None:
        self.quarantine = Quarantine()
        self.decoder = FrameDecoder(self.quarantine)
        self.market = MarketEvents([BTC], self.quarantine)

    def hear(self, raw: bytes | str, ts_local_ns: int = NOW_NS) -> Sequence[AnyEvent]:
        found = self.decoder.decode(raw)
        return () if found is None else self.market.events(found, ts_local_ns)


# -- books and quotes ------------------------------------------------------------------------------


def test_a_book_replaces_the_whole_and_is_numbered_by_us() -> None:
    hearing = Hearing()
    raw = book([level("63460.0", "0.02666"), "63457.0"], [level("63488.0", "0.01246")])

    expected = BookSnapshot(
        TIME_NS, NOW_NS, "hl:BTC", 1, (63460.0, 63457.0), (0.02666, 1.5), (63488.0,), (0.01246,)
    )
    assert [expected] == list(hearing.hear(raw))
    assert [msgspec.structs.replace(expected, seq=2)] == list(hearing.hear(raw))


@pytest.mark.parametrize(("bids", "asks"), [([], []), (["1.0"], []), ([], ["1.0"])])
def test_a_book_may_lack_a_side(bids: list[str], asks: list[str]) -> None:
    (found,) = Hearing().hear(book(bids, asks))

    assert isinstance(found, BookSnapshot)
    assert (len(bids), len(asks)) == (len(found.bid_px), len(found.ask_px))


@pytest.mark.parametrize(
    ("bids", "asks"),
    [
        (["100.0"], ["100.0"]),
        (["101.0"], ["100.0"]),
        (["99.0", "100.0"], ["101.0"]),
        (["99.0"], ["101.0", "100.5"]),
        (["99.0", "98.0", "98.5"], []),
    ],
)
def test_a_book_crossed_or_out_of_order_changes_nothing(bids: list[str], asks: list[str]) -> None:
    hearing = Hearing()

    assert [] == list(hearing.hear(book(bids, asks)))
    assert {Why.IMPLAUSIBLE: 1} == hearing.quarantine.counts
    (next_one,) = hearing.hear(book(["99.0"], ["101.0"]))
    assert isinstance(next_one, BookSnapshot)
    assert 1 == next_one.seq


def test_a_quote_of_a_missing_side_is_zero() -> None:
    hearing = Hearing()
    bid, ask = level("99.5", "2.0"), level("100.5", "3.0")

    assert [Quote(TIME_NS, NOW_NS, "hl:BTC", 99.5, 2.0, 100.5, 3.0)] == list(
        hearing.hear(bbo(bid, ask))
    )
    assert [Quote(TIME_NS, NOW_NS, "hl:BTC", 99.5, 2.0, 0.0, 0.0)] == list(
        hearing.hear(bbo(bid, None))
    )
    assert [Quote(TIME_NS, NOW_NS, "hl:BTC", 0.0, 0.0, 0.0, 0.0)] == list(
        hearing.hear(bbo(None, None))
    )


def test_a_crossed_quote_changes_nothing() -> None:
    hearing = Hearing()

    assert [] == list(hearing.hear(bbo(level("100.0"), level("100.0"))))
    assert {Why.IMPLAUSIBLE: 1} == hearing.quarantine.counts


# -- trades ----------------------------------------------------------------------------------------


def tids(events: Sequence[AnyEvent]) -> list[int]:
    return [event.trade_id for event in events if isinstance(event, Trade)]


def test_a_trade_has_the_aggressors_side() -> None:
    found = Hearing().hear(frame("trades", [trade(1), trade(2, side="A")]))

    expected = Trade(TIME_NS, NOW_NS, "hl:BTC", 63719.0, 0.00016, Side.BUY, 1)
    other = msgspec.structs.replace(expected, side=Side.SELL, trade_id=2)
    assert [expected, other] == list(found)


def test_trades_replayed_by_a_subscribe_are_given_once() -> None:
    hearing = Hearing()
    first = [trade(tid) for tid in range(30)]
    again = [trade(tid) for tid in range(10, 40)]

    assert list(range(30)) == tids(hearing.hear(frame("trades", first)))
    assert list(range(30, 40)) == tids(hearing.hear(frame("trades", again)))


def test_the_same_id_at_another_time_is_another_trade() -> None:
    found = Hearing().hear(frame("trades", [trade(1), trade(1, time=TIME_MS + 1), trade(1)]))

    assert [1, 1] == tids(found)


def test_trades_are_remembered_long_enough_and_not_for_ever() -> None:
    hearing = Hearing()
    hearing.hear(frame("trades", [trade(0)]))
    hearing.hear(frame("trades", [trade(tid) for tid in range(1, TRADES_REMEMBERED)]))

    assert [] == tids(hearing.hear(frame("trades", [trade(0)])))
    hearing.hear(
        frame("trades", [trade(tid) for tid in range(1_000, 1_000 + 2 * TRADES_REMEMBERED)])
    )
    assert [0] == tids(hearing.hear(frame("trades", [trade(0)])))


def test_no_trades_are_no_events() -> None:
    hearing = Hearing()

    assert [] == list(hearing.hear(frame("trades", [])))
    assert 0 == hearing.quarantine.total


# -- bars ------------------------------------------------------------------------------------------

MINUTE_MS = 60_000
OPEN_MS = 1_785_251_460_000


def bars(hearing: Hearing, *candles: dict[str, Any]) -> list[AnyEvent]:
    return [event for each in candles for event in hearing.hear(frame("candle", each))]


def test_a_bar_is_given_once_when_the_next_candle_comes() -> None:
    hearing = Hearing()
    found = bars(
        hearing,
        candle(OPEN_MS, c="100.5", v="1.0"),
        candle(OPEN_MS, c="101.0", v="12.5"),
        candle(OPEN_MS + MINUTE_MS),
        candle(OPEN_MS + MINUTE_MS),
        candle(OPEN_MS),
    )

    close_ns = (OPEN_MS + MINUTE_MS) * NS_PER_MS
    expected = Bar(close_ns, NOW_NS, "hl:BTC", 60 * NS_PER_S, 100.0, 102.0, 99.0, 101.0, 12.5)
    assert [expected] == found


def test_candles_of_other_intervals_and_coins_do_not_close_each_other() -> None:
    hearing = Hearing()
    hearing.market.learn([ETH])
    longer = {"i": "5m", "T": OPEN_MS + 5 * MINUTE_MS - 1}

    assert (
        []
        == bars(
            hearing,
            candle(OPEN_MS),
            candle(OPEN_MS, **longer),
            candle(OPEN_MS + MINUTE_MS, s="ETH"),
            candle(OPEN_MS + MINUTE_MS, i="5m", T=OPEN_MS + 6 * MINUTE_MS - 1),
        )[:0]
    )
    assert 0 == hearing.quarantine.total


def test_a_list_of_candles_is_taken_too() -> None:
    hearing = Hearing()

    found = hearing.hear(frame("candle", [candle(OPEN_MS), candle(OPEN_MS + MINUTE_MS)]))
    assert [OPEN_MS + MINUTE_MS] == [event.ts_venue_ns // NS_PER_MS for event in found]


def test_a_candle_that_was_open_when_the_connection_was_lost_is_not_given() -> None:
    hearing = Hearing()
    bars(hearing, candle(OPEN_MS))
    hearing.market.forget_open_bars()

    assert [] == bars(hearing, candle(OPEN_MS + 9 * MINUTE_MS))


@pytest.mark.parametrize("interval", list(INTERVALS_MS))
def test_a_bar_is_as_long_as_its_interval(interval: str) -> None:
    hearing = Hearing()
    length_ms = INTERVALS_MS[interval] or 31 * 86_400_000
    first = candle(0, i=interval, T=length_ms - 1)
    second = candle(length_ms, i=interval, T=2 * length_ms - 1)

    (found,) = bars(hearing, first, second)
    assert isinstance(found, Bar)
    assert (length_ms * NS_PER_MS,) * 2 == (found.interval_ns, found.ts_venue_ns)


@pytest.mark.parametrize(
    "changes",
    [{"h": "100.5"}, {"l": "100.5"}, {"i": "7m"}, {"T": OPEN_MS}, {"i": "1M", "T": OPEN_MS - 1}],
)
def test_a_candle_that_cannot_be_changes_nothing(changes: dict[str, Any]) -> None:
    hearing = Hearing()

    assert [] == bars(hearing, candle(OPEN_MS, **changes), candle(OPEN_MS + MINUTE_MS))
    assert {Why.IMPLAUSIBLE: 1} == hearing.quarantine.counts


# -- contexts --------------------------------------------------------------------------------------


def test_a_context_is_dated_by_the_venues_clock() -> None:
    hearing = Hearing()
    hearing.market.venue_offset_ns = 7

    expected = AssetContext(NOW_NS + 7, NOW_NS, "hl:BTC", 77562.0, 77605.0, 0.0000125, 27353.17682)
    assert [expected] == list(hearing.hear(context()))


@pytest.mark.parametrize("mark", [None, "NaN", "0.0", "-1.0", "inf"])
def test_a_mark_that_is_no_price_counts_as_absent(mark: str | None) -> None:
    (found,) = Hearing().hear(context(markPx=mark))

    assert isinstance(found, AssetContext)
    assert (0.0, 77605.0) == (found.mark_px, found.oracle_px)


@pytest.mark.parametrize("changes", [{"funding": "NaN"}, {"funding": None}, {"openInterest": "-1"}])
def test_a_context_without_a_rate_or_interest_is_put_away(changes: dict[str, Any]) -> None:
    hearing = Hearing()

    assert [] == list(hearing.hear(context(**changes)))
    assert 1 == hearing.quarantine.total


# -- whose market ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        book(["1.0"], ["2.0"], coin="DOGE"),
        bbo(None, None, coin="DOGE"),
        frame("trades", [trade(1), trade(2, coin="DOGE")]),
        frame("candle", candle(s="DOGE")),
        context("DOGE"),
    ],
)
def test_a_coin_that_is_not_known_is_put_away_whole(raw: bytes) -> None:
    hearing = Hearing()

    assert [] == list(hearing.hear(raw))
    assert {Why.UNKNOWN_COIN: 1} == hearing.quarantine.counts


def test_a_coin_learnt_later_is_heard() -> None:
    hearing = Hearing()
    hearing.market.learn([ETH])

    (found,) = hearing.hear(book(["1.0"], ["2.0"], coin="ETH"))
    assert isinstance(found, BookSnapshot)
    assert "hl:ETH" == found.instrument


def test_frames_that_are_no_market_of_ours_give_no_events() -> None:
    hearing = Hearing()
    silent = EVERY_CHANNEL.keys() - {"l2Book", "bbo", "trades", "activeAssetCtx"}

    for channel in silent:
        assert [] == list(hearing.hear(EVERY_CHANNEL[channel]))
    assert 0 == hearing.quarantine.total


# -- whatever comes --------------------------------------------------------------------------------

PIECES = [b'"', b"}", b"]", b",", b"null", b"NaN", b"-1", b'"0"', b'"1e400"', b"1e400", b"[[[["]
PIECES += [b'"px":"63488.0"', b'"-5.5"', b'"inf"', b"{}", b"9" * 30, b"\xff", b"\\ud800"]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A frame of any channel with some of it cut out, doubled or replaced."""
    raw = bytearray(draw(st.sampled_from(sorted(EVERY_CHANNEL.values()))))
    for _ in range(draw(st.integers(0, 5))):
        start = draw(st.integers(0, len(raw)))
        stop = min(len(raw), start + draw(st.integers(0, 12)))
        kind = draw(st.integers(0, 2))
        if kind == 0:
            raw[start:stop] = draw(st.sampled_from(PIECES))
        elif kind == 1:
            raw[start:start] = raw[start:stop]
        else:
            raw[start:stop] = draw(st.binary(max_size=3))
    return bytes(raw)


def numbers(event: AnyEvent) -> list[float]:
    """Every float of an event."""
    values: list[float] = []
    for value in msgspec.structs.astuple(event):
        values += value if isinstance(value, tuple) else [value] if isinstance(value, float) else []
    return values


@given(st.lists(mutated() | st.binary(max_size=60), min_size=1, max_size=4))
def test_no_frame_raises_or_gives_a_number_that_is_none(raws: list[bytes]) -> None:
    hearing = Hearing()
    for raw in raws:
        before = hearing.quarantine.total
        found = hearing.decoder.decode(raw)
        if found is None:
            assert hearing.quarantine.total == before + 1
            continue
        for event in hearing.market.events(found, NOW_NS):
            assert all(isfinite(number) for number in numbers(event))
            if isinstance(event, BookSnapshot):
                assert [*event.bid_px] == sorted(event.bid_px, reverse=True)
                assert [*event.ask_px] == sorted(event.ask_px)
                assert all(number > 0 for number in numbers(event))
            msgspec.msgpack.encode(event)
