"""A generated market comes back from its seed, keeps the venue's rules, and looks like one."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import pytest

from backtests.generator import START_NS, Settings, generate_market, instrument
from backtests.generator.contexts import hourly_rate, make_contexts
from backtests.tape import Stream, StreamKind, Tape, bars_from_trades
from engine.errors import DataError
from engine.model.units import NS_PER_HOUR, NS_PER_S

HOUR_S = 3_600


def stream(streams: Sequence[Stream], kind: StreamKind, coin: str = "BTC") -> Stream:
    return next(s for s in streams if s.kind is kind and s.instrument.coin == coin)


def checksum(streams: Sequence[Stream]) -> int:
    crc32 = 0
    for one in Tape.in_memory(streams).streams:
        for name in one.names:
            crc32 = zlib.crc32(one.column(name).tobytes(), crc32)
    return crc32


@pytest.fixture(scope="module")
def hour() -> list[Stream]:
    """One hour of two coins."""
    return generate_market(7, [instrument("BTC"), instrument("ETH")], HOUR_S)


def test_a_seed_gives_these_very_rows_on_every_version_of_python_and_numpy() -> None:
    market = generate_market(3, [instrument("BTC"), instrument("DOGE")], 300)

    assert 430_515_073 == checksum(market)


def test_another_seed_gives_another_market() -> None:
    coins = [instrument("BTC")]

    assert checksum(generate_market(1, coins, 60)) == checksum(generate_market(1, coins, 60))
    assert checksum(generate_market(1, coins, 60)) != checksum(generate_market(2, coins, 60))


def test_an_instrument_does_not_depend_on_how_many_follow_it() -> None:
    alone = generate_market(5, [instrument("BTC")], 60)
    with_others = generate_market(5, [instrument(c) for c in ("BTC", "ETH", "SOL")], 60)

    assert checksum(alone) == checksum([s for s in with_others if s.instrument.coin == "BTC"])


def test_every_kind_of_stream_is_there_and_spans_the_market(hour: list[Stream]) -> None:
    tape = Tape.in_memory(hour)

    assert {"hl:BTC", "hl:ETH"} == tape.instruments.keys()
    assert 12 == len(tape.streams)
    assert START_NS <= tape.start_ns < START_NS + NS_PER_S
    for one in tape.streams:
        venue = one.column("ts_venue_ns")
        assert START_NS <= venue[0]
        assert venue[-1] <= START_NS + HOUR_S * NS_PER_S
    assert 18_000 == stream(hour, StreamKind.BOOK).n
    assert 3_601 == stream(hour, StreamKind.CONTEXT).n
    assert 5_000 < stream(hour, StreamKind.TRADE).n < 20_000


def test_rows_arrive_after_they_happen(hour: list[Stream]) -> None:
    for one in hour:
        if one.kind is not StreamKind.BAR:
            latency = one.column("ts_local_ns") - one.column("ts_venue_ns")
            assert 10_000_000 < latency.min()
            assert 40_000_000 < np.median(latency) < 100_000_000


def valid(one: Stream, name: str) -> bool:
    grid = one.instrument.grid
    return all(grid.is_valid_px(px) for px in np.unique(one.column(name)).tolist())


@pytest.mark.parametrize(
    ("coin", "px"),
    [("BTC", 100_000.0), ("BTC", 99_990.0), ("ETH", 9_999.0), ("DOGE", 0.1), ("PEPE", 0.00123)],
)
def test_every_price_is_one_the_venue_takes(coin: str, px: float) -> None:
    """Also around a power of ten, where the distance of prices changes."""
    settings = Settings(volatility=3.0, level_notional=5_000)
    market = generate_market(11, [instrument(coin)], 240, start_px={coin: px}, settings=settings)

    for one in market:
        if one.kind is StreamKind.TRADE:
            assert valid(one, "px_ticks")
        if one.kind is StreamKind.BOOK:
            assert valid(one, "chg_ticks")


def test_the_book_shows_twenty_levels_on_each_side_and_is_never_crossed(
    hour: list[Stream],
) -> None:
    book = stream(hour, StreamKind.BOOK)

    assert (book.column("bid_ticks") < book.column("ask_ticks")).all()
    for row in range(0, book.n, 37):
        bids, asks = book.depth(row)
        assert (20, 20) == (len(bids), len(asks))
        assert max(bids) < min(asks)
        assert round(max(bids) * 10) == book.column("bid_ticks")[row]


def test_a_book_is_mostly_changes_with_a_snapshot_now_and_then(hour: list[Stream]) -> None:
    book = stream(hour, StreamKind.BOOK)

    assert 18 == book.column("is_snapshot").sum()
    assert np.diff(book.column("off")).mean() < 20


def test_trades_take_no_more_than_the_book_showed(hour: list[Stream]) -> None:
    """Between two rows of the book, prints at a price add up to at most what it displayed."""
    book, trades = stream(hour, StreamKind.BOOK), stream(hour, StreamKind.TRADE)
    grid = book.instrument.grid
    # A trade at the very time of a row comes before it.
    rows = np.searchsorted(book.column("ts_venue_ns"), trades.column("ts_venue_ns")) - 1
    names = ("px_ticks", "sz_lots", "side")
    prints = zip(rows.tolist(), *(trades.column(n).tolist() for n in names), strict=True)
    taken: dict[tuple[int, int, int], int] = {}
    for row, px, lots, side in prints:
        taken[row, side, px] = taken.get((row, side, px), 0) + lots
    touched = 0
    for (row, side, px), lots in taken.items():
        shown = book.depth(row)[side > 0]
        assert lots <= round(shown[grid.px(px)] * grid.sz_scale)
        best = book.column("ask_ticks" if side > 0 else "bid_ticks")[row]
        touched += best == px
        if best != px:
            # Deeper levels are reached only through the touch.
            assert (row, side, int(best)) in taken
    assert touched > 3_000
    assert touched < len(taken)


def test_orders_come_in_bursts_and_prints_share_stamps(hour: list[Stream]) -> None:
    trades = stream(hour, StreamKind.TRADE)
    stamps = trades.column("ts_venue_ns")
    orders = np.bincount((np.unique(stamps) - START_NS) // NS_PER_S)

    assert orders.var() / orders.mean() > 1.5
    assert len(np.unique(stamps)) < 0.7 * trades.n
    assert {1, -1} == set(trades.column("side").tolist())
    assert list(range(1, trades.n + 1)) == trades.column("trade_id").tolist()


def returns(one: Stream, every_s: int) -> np.ndarray:
    mid = (one.column("bid_ticks") + one.column("ask_ticks")) / 2
    times = START_NS + np.arange(1, HOUR_S // every_s) * every_s * NS_PER_S
    at = np.searchsorted(one.column("ts_venue_ns"), times, side="right") - 1
    result: np.ndarray = np.diff(np.log(mid[at]))
    return result


def test_volatility_clusters_and_returns_do_not(hour: list[Stream]) -> None:
    moves = returns(stream(hour, StreamKind.QUOTE), 10)
    sizes = np.abs(moves)

    assert np.corrcoef(sizes[1:], sizes[:-1])[0, 1] > 0.1
    assert abs(np.corrcoef(moves[1:], moves[:-1])[0, 1]) < 0.1


def test_volatility_is_about_what_was_asked(hour: list[Stream]) -> None:
    moves = returns(stream(hour, StreamKind.QUOTE), 30)

    assert 0.25 < moves.std() * np.sqrt(365 * 86_400 / 30) < 1.0


def test_coins_move_together_as_asked(hour: list[Stream]) -> None:
    both = [returns(stream(hour, StreamKind.QUOTE, coin), 30) for coin in ("BTC", "ETH")]
    assert 0.3 < np.corrcoef(both)[0, 1] < 0.9

    apart = generate_market(
        1,
        [instrument("BTC"), instrument("ETH")],
        HOUR_S,
        settings=Settings(correlation=0, book_rate_hz=1),
    )
    both = [returns(stream(apart, StreamKind.QUOTE, coin), 30) for coin in ("BTC", "ETH")]
    assert abs(np.corrcoef(both)[0, 1]) < 0.3


def test_quotes_are_the_changes_of_the_best_levels(hour: list[Stream]) -> None:
    book, quotes = stream(hour, StreamKind.BOOK), stream(hour, StreamKind.QUOTE)
    names = ("ts_venue_ns", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots")
    seen: list[tuple[int, ...]] = []
    for row in zip(*(book.column(name).tolist() for name in names), strict=True):
        if not seen or seen[-1][1:] != row[1:]:
            seen.append(row)

    assert seen == list(zip(*(quotes.column(name).tolist() for name in names), strict=True))


def test_bars_are_those_of_the_trades(hour: list[Stream]) -> None:
    bars, _ = bars_from_trades(stream(hour, StreamKind.TRADE), 60 * NS_PER_S)

    assert checksum([bars]) == checksum([stream(hour, StreamKind.BAR)])
    assert bars.n > 50


def test_mark_and_oracle_stay_near_the_market(hour: list[Stream]) -> None:
    context, quotes = stream(hour, StreamKind.CONTEXT), stream(hour, StreamKind.QUOTE)
    times = context.column("ts_venue_ns")
    at = np.searchsorted(quotes.column("ts_venue_ns"), times, side="right") - 1
    at = at.clip(0)
    mid = (quotes.column("bid_ticks")[at] + quotes.column("ask_ticks")[at]) / 20

    assert (np.diff(times) == NS_PER_S).all()
    for name, far in (("mark_px", 0.001), ("oracle_px", 0.002)):
        px = context.column(name)
        assert np.abs(px / mid - 1).max() < far
        assert (np.rint(px * 10) / 10 == px).all()
    assert (context.column("open_interest") > 0).all()


@pytest.mark.parametrize(
    ("premium", "rate"),
    [
        (0.0, 0.0000125),
        (0.00007028, 0.0000125),
        (0.0006, 0.0000125),
        (-0.0004, 0.0000125),
        (0.0014, 0.0009 / 8),
        (-0.0010, -0.0005 / 8),
        (0.5, 0.04),
        (-0.5, -0.04),
    ],
)
def test_the_hourly_rate_follows_the_venues_formula(premium: float, rate: float) -> None:
    assert rate == pytest.approx(hourly_rate(premium), abs=1e-12)


def test_funding_is_settled_at_every_full_hour_and_never_between() -> None:
    start_ns = START_NS + 40 * 60 * NS_PER_S
    market = generate_market(
        2,
        [instrument("SOL")],
        1.5 * HOUR_S,
        start_ns=start_ns,
        settings=Settings(book_rate_hz=1),
    )
    funding = stream(market, StreamKind.FUNDING, "SOL")

    assert [START_NS + NS_PER_HOUR, START_NS + 2 * NS_PER_HOUR] == funding.column(
        "ts_venue_ns"
    ).tolist()
    context = stream(market, StreamKind.CONTEXT, "SOL")
    before = np.searchsorted(context.column("ts_venue_ns"), funding.column("ts_venue_ns")) - 1
    running = np.rint(context.column("funding_rate")[before] * 1e9).astype(int)
    assert running.tolist() == funding.column("rate_ppb").tolist()


def test_impact_prices_far_from_the_oracle_make_funding_dear(hour: list[Stream]) -> None:
    book, trades = stream(hour, StreamKind.BOOK), stream(hour, StreamKind.TRADE)
    start_ms = START_NS // 1_000_000
    samples = [(start_ms + 5_000 * i, 101_500.0, 101_600.0) for i in range(720)]
    span = start_ms, start_ms + HOUR_S * 1_000

    made = make_contexts(np.random.Generator(np.random.PCG64(1)), book, trades, samples, span)

    oracle = made.oracle_px[:3_600:5]
    premium = np.mean((101_500.0 - oracle) / oracle)
    assert 0.005 < premium < 0.03
    assert [round((premium - 0.0005) / 8 * 1e9)] == pytest.approx(made.rate_ppb.tolist(), abs=1)
    assert made.rate_ppb[0] / 1e9 == pytest.approx(made.funding_rate[3_599], abs=1e-9)


@pytest.mark.parametrize(
    ("coins", "duration_s", "start_ns", "message"),
    [
        (["BTC"], 0.5, START_NS, "duration_s is 0.5, expected at least 1"),
        (["BTC"], float("nan"), START_NS, "duration_s is nan, expected at least 1"),
        (["BTC"], 60, START_NS + 1, "start_ns is 1767225600000000001, expected a full millisecond"),
        (["BTC"], 60, -1_000_000, "start_ns is -1000000, expected a full millisecond from 0 on"),
        (["BTC", "ETH", "BTC"], 60, START_NS, "instruments are hl:BTC, hl:ETH, hl:BTC, expected"),
        ([], 60, START_NS, "instruments are none, expected each once"),
    ],
)
def test_a_market_that_cannot_be_is_an_error(
    coins: list[str], duration_s: float, start_ns: int, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        generate_market(1, [instrument(coin) for coin in coins], duration_s, start_ns=start_ns)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("book_rate_hz", 0, "more than 0"),
        ("book_rate_hz", 1_000, "at most 200"),
        ("volatility", -0.1, "more than 0"),
        ("orders_per_s", -1, "0 or more"),
        ("correlation", 1.5, "0 to 1"),
        ("levels", 0, "at least 1"),
    ],
)
def test_a_setting_that_cannot_be_is_an_error(name: str, value: float, expected: str) -> None:
    with pytest.raises(DataError, match=f"{name} is {value}, expected {expected}"):
        Settings(**{name: value})  # type: ignore[arg-type]


def test_a_market_without_orders_has_books_and_no_trades() -> None:
    market = generate_market(1, [instrument("BTC")], 30, settings=Settings(orders_per_s=0))

    assert 0 == stream(market, StreamKind.TRADE).n
    assert 0 == stream(market, StreamKind.BAR).n
    assert 150 == stream(market, StreamKind.BOOK).n
