"""What an order meets when it arrives.

Time in force, the levels it takes, and what is left of them.
"""

from __future__ import annotations

import pytest

from backtests.exchange import SimAccount, SimulatedExchange
from backtests.models.fees import StaticFees
from engine.errors import ModelError
from engine.model.commands import Batch
from engine.model.events import OrderAccepted, OrderFilled, OrderRejected, Quote
from engine.model.units import Side, Tif
from tests.backtests.exchange.scene import BUY, COIN, DOLLAR_E8, SELL, Scene

GTC, IOC, ALO = Tif.GTC, Tif.IOC, Tif.ALO
NOTHING_TO_TAKE = "Order could not immediately match against any resting orders."
BOOK_BIDS = [(9990, 3), (9980, 4)]
BOOK_ASKS = [(10010, 3), (10020, 4)]


def booked() -> Scene:
    scene = Scene()
    scene.book(BOOK_BIDS, BOOK_ASKS)
    return scene


@pytest.mark.parametrize(
    ("side", "px", "lots", "tif", "told"),
    [
        (BUY, 10000, 5, GTC, ["o accepted"]),
        (BUY, 10000, 5, ALO, ["o accepted"]),
        (BUY, 10000, 5, IOC, [f"o rejected: {NOTHING_TO_TAKE}"]),
        (BUY, 10010, 2, GTC, ["o accepted", "o +2 at 10010 taker"]),
        (BUY, 10010, 5, GTC, ["o accepted", "o +3 at 10010 taker"]),
        (
            BUY,
            10010,
            5,
            IOC,
            ["o accepted", "o +3 at 10010 taker", "o canceled: iocCanceled"],
        ),
        (
            BUY,
            10050,
            6,
            IOC,
            ["o accepted", "o +3 at 10010 taker", "o +3 at 10020 taker"],
        ),
        (
            BUY,
            10050,
            9,
            IOC,
            [
                "o accepted",
                "o +3 at 10010 taker",
                "o +4 at 10020 taker",
                "o canceled: iocCanceled",
            ],
        ),
        (SELL, 9980, 5, IOC, ["o accepted", "o -3 at 9990 taker", "o -2 at 9980 taker"]),
        (SELL, 9991, 5, IOC, [f"o rejected: {NOTHING_TO_TAKE}"]),
        (
            BUY,
            10010,
            5,
            ALO,
            ["o rejected: Post only order would have immediately matched, bbo was 99.9@100.1."],
        ),
        (
            SELL,
            9980,
            5,
            ALO,
            ["o rejected: Post only order would have immediately matched, bbo was 99.9@100.1."],
        ),
    ],
)
def test_an_order_takes_the_displayed_levels_within_its_limit(
    side: Side, px: int, lots: int, tif: Tif, told: list[str]
) -> None:
    scene = booked()

    assert told == scene.place("o", side, px, lots, tif)


def test_the_remainder_of_a_gtc_order_rests_and_counts_as_first_at_its_price() -> None:
    scene = booked()
    scene.place("o", BUY, 10010, 5)

    watch = scene.exchange.watch(scene.id)

    assert watch is not None
    assert (10010, 2**62, ()) == (watch.bid_ticks, watch.ask_ticks, watch.levels)


def test_what_was_taken_is_gone_until_the_next_row() -> None:
    scene = booked()
    scene.place("a", BUY, 10010, 2, IOC)

    assert ["b accepted", "b +1 at 10010 taker", "b canceled: iocCanceled"] == scene.place(
        "b", BUY, 10010, 2, IOC
    )
    assert [f"c rejected: {NOTHING_TO_TAKE}"] == scene.place("c", BUY, 10010, 2, IOC)
    assert ["d accepted"] == scene.place("d", BUY, 10010, 2, ALO)

    scene.change([], [(10050, 1)])

    assert ["e accepted", "e +2 at 10010 taker"] == scene.place("e", BUY, 10010, 2, IOC)


def test_the_two_sides_of_one_price_are_taken_separately() -> None:
    scene = Scene()
    scene.book([(10000, 2)], [(10010, 2)])
    scene.place("a", BUY, 10010, 2, IOC)

    assert ["b accepted", "b -2 at 10000 taker"] == scene.place("b", SELL, 10000, 2, IOC)


def test_the_same_top_sent_again_is_not_a_new_row() -> None:
    scene = Scene()
    scene.top(9990, 3, 10010, 3)
    scene.place("a", BUY, 10010, 3, IOC)
    scene.top(9990, 3, 10010, 3, same=True)

    assert [f"b rejected: {NOTHING_TO_TAKE}"] == scene.place("b", BUY, 10010, 1, IOC)

    scene.top(9990, 3, 10010, 3)

    assert ["c accepted", "c +1 at 10010 taker"] == scene.place("c", BUY, 10010, 1, IOC)


def test_the_same_quote_sent_again_is_not_a_new_row_and_one_with_a_new_stamp_is() -> None:
    scene = Scene()
    quote = Quote(5, 5, scene.id, 99.9, 3.0, 100.1, 3.0)
    scene.exchange.on_market(quote)
    scene.place("a", BUY, 10010, 3, IOC)
    scene.exchange.on_market(Quote(5, 5, scene.id, 99.9, 3.0, 100.1, 3.0))

    assert [f"b rejected: {NOTHING_TO_TAKE}"] == scene.place("b", BUY, 10010, 1, IOC)

    scene.exchange.on_market(Quote(6, 6, scene.id, 99.9, 3.0, 100.1, 3.0))

    assert ["c accepted", "c +1 at 10010 taker"] == scene.place("c", BUY, 10010, 1, IOC)


class Depth:
    """A book behind the top, which counts how often it is read."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def levels(self, seq: int) -> tuple[dict[float, float], dict[float, float]]:
        self.asked.append(seq)
        return {99.8: 4.0, 99.9: 3.0}, {100.2: 4.0, 100.1: 3.0}


def test_behind_a_top_the_deeper_levels_come_from_the_depth_source() -> None:
    scene = Scene()
    depth = Depth()
    scene.exchange.attach_depth(scene.id, depth)
    scene.top(9990, 3, 10010, 3)

    assert ["a accepted"] == scene.place("a", BUY, 9980, 5)
    assert [1] == depth.asked, "for the size ahead at a price behind the best"
    assert [(9980, 4)] == scene.ahead()
    assert ["o accepted", "o +3 at 10010 taker", "o +2 at 10020 taker"] == scene.place(
        "o", BUY, 10020, 5, IOC
    )


def test_a_top_without_a_depth_source_has_one_level() -> None:
    scene = Scene()
    scene.top(9990, 3, 10010, 3)

    told = ["o accepted", "o +3 at 10010 taker", "o canceled: iocCanceled"]

    assert told == scene.place("o", BUY, 10020, 5, IOC)


@pytest.mark.parametrize(
    ("side", "limit", "told"),
    [
        (BUY, 10020, ["o accepted", "o +3 at 10010 taker", "o +7 at 10011 taker"]),
        (BUY, 10011, ["o accepted", "o +3 at 10010 taker", "o +7 at 10011 taker"]),
        (BUY, 10010, ["o accepted", "o +3 at 10010 taker", "o canceled: iocCanceled"]),
        (SELL, 9980, ["o accepted", "o -2 at 9990 taker", "o -8 at 9989 taker"]),
    ],
)
def test_behind_a_quote_any_remainder_is_one_allowed_price_worse(
    side: Side, limit: int, told: list[str]
) -> None:
    scene = Scene()
    scene.quote(9990, 2, 10010, 3)

    assert told == scene.place("o", side, limit, 10, IOC)


def test_one_price_worse_follows_the_significant_figures() -> None:
    scene = Scene()
    scene.quote(123450, 1, 123460, 1)

    assert ["o accepted", "o +1 at 123460 taker", "o +4 at 123470 taker"] == scene.place(
        "o", BUY, 124000, 5, IOC
    )


@pytest.mark.parametrize(
    ("last", "half_spread_ppb", "buy_at", "sell_at"),
    [
        (10000, 50_000, 10001, 9999),
        (10000, 1_000_000, 10010, 9990),
        (123450, 50_000, 123460, 123440),
        (123450, 1_000_000, 123580, 123320),
        (99_999, 50_000, 100_010, 99_994),
    ],
)
def test_after_trades_only_any_size_is_had_half_a_synthetic_spread_away(
    last: int, half_spread_ppb: int, buy_at: int, sell_at: int
) -> None:
    scene = Scene(half_spread_ppb=half_spread_ppb)
    scene.trade(last, 1, BUY)

    assert ["b accepted", f"b +500 at {buy_at} taker"] == scene.place(
        "b", BUY, 150_000 if last > 50_000 else 15_000, 500, IOC
    )
    assert ["s accepted", f"s -500 at {sell_at} taker"] == scene.place(
        "s", SELL, 90_000 if last > 50_000 else 9_000, 500, IOC
    )
    assert ["t accepted", f"t -500 at {sell_at} taker"] == scene.place(
        "t", SELL, sell_at, 500, IOC
    ), "again, and at the very limit"


def test_after_bars_only_the_close_is_the_last_price() -> None:
    scene = Scene()
    scene.bar(9000, 11000, 8000, 10000)

    assert ["o accepted", "o +5 at 10001 taker"] == scene.place("o", BUY, 10100, 5, IOC)


def test_the_best_feed_an_instrument_ever_had_is_its_market() -> None:
    scene = Scene()
    scene.bar(9000, 9000, 9000, 9000)
    scene.trade(9500, 1, BUY)
    scene.quote(9990, 1, 10010, 9)
    scene.trade(9400, 1, SELL)
    scene.bar(9000, 9000, 9000, 9000)

    assert ["o accepted", "o +5 at 10010 taker"] == scene.place("o", BUY, 10100, 5, IOC)

    scene.top(10000, 1, 10020, 9)
    scene.quote(9990, 1, 10010, 9)

    assert ["p accepted", "p +5 at 10020 taker"] == scene.place("p", BUY, 10100, 5, IOC)

    scene.book([(10010, 1)], [(10030, 9)])
    scene.top(10000, 1, 10020, 9)

    assert ["q accepted", "q +5 at 10030 taker"] == scene.place("q", BUY, 10100, 5, IOC)


def test_before_any_market_nothing_can_be_taken_and_orders_rest() -> None:
    scene = Scene()

    assert [f"o rejected: {NOTHING_TO_TAKE}"] == scene.place("o", BUY, 10000, 5, IOC)
    assert ["p accepted"] == scene.place("p", BUY, 10000, 5, ALO)


def test_a_missing_side_of_the_book_offers_nothing() -> None:
    scene = Scene()
    scene.book([(9990, 1)], [])

    assert [f"o rejected: {NOTHING_TO_TAKE}"] == scene.place("o", BUY, 10000, 5, IOC)
    assert ["p rejected: Post only order would have immediately matched, bbo was 99.9@None."] == (
        scene.place("p", SELL, 9990, 5, ALO)
    )


def test_an_order_of_ones_own_on_the_other_side_is_canceled_when_it_is_reached() -> None:
    scene = booked()
    scene.place("mine", SELL, 10015, 2)
    scene.place("far", SELL, 10020, 2)

    assert ["o accepted", "o +3 at 10010 taker"] == scene.place("o", BUY, 10030, 3, IOC)

    scene.change([], [(10011, 1)])

    assert [
        "p accepted",
        "p +3 at 10010 taker",
        "p +1 at 10011 taker",
        "mine canceled: selfTradeCanceled",
        "p +2 at 10020 taker",
    ] == scene.place("p", BUY, 10030, 6, IOC)
    assert [
        "q accepted",
        "q +2 at 10020 taker",
        "far canceled: selfTradeCanceled",
        "q canceled: iocCanceled",
    ] == scene.place("q", BUY, 10020, 9, IOC)


def test_a_post_only_order_does_not_meet_an_order_of_its_own_account_either() -> None:
    scene = booked()
    scene.place("mine", SELL, 10000, 2)

    assert ["o rejected: Post only order would have immediately matched, bbo was 99.9@100."] == (
        scene.place("o", BUY, 10000, 1, ALO)
    )


def test_another_account_is_a_counterparty_behind_what_is_displayed_at_its_price() -> None:
    scene = Scene(accounts=("main", "other"))
    scene.book([(9990, 3)], [(10010, 3)])
    scene.place("m", SELL, 10010, 2, account="other")
    scene.place("n", SELL, 10005, 2, account="other")

    assert [
        "o accepted",
        "n -2 at 10005 maker",
        "o +2 at 10005 taker",
        "o +3 at 10010 taker",
        "m -1 at 10010 maker",
        "o +1 at 10010 taker",
    ] == scene.place("o", BUY, 10010, 6)
    assert (6, -3) == (scene.lots("main"), scene.lots("other"))


def test_reports_carry_the_venue_time_and_the_time_they_reach_us() -> None:
    scene = booked()
    scene.exchange.on_batch(1_000, Batch("main", "order", (scene.order("o", BUY, 10010, 1),), 1, 1))
    accepted, filled = scene.taken()

    assert isinstance(accepted, OrderAccepted)
    assert isinstance(filled, OrderFilled)
    assert (1_000, 1_007, 1_000, 1_007) == (
        accepted.ts_venue_ns,
        accepted.ts_local_ns,
        filled.ts_venue_ns,
        filled.ts_local_ns,
    )
    assert ("main", scene.id, "o", 0, 1) == (
        filled.account,
        filled.instrument,
        filled.cloid,
        filled.generation,
        filled.oid,
    )
    assert (10010, 1, 100.1, 1.0) == (filled.px_ticks, filled.sz_lots, filled.px, filled.sz)


def test_oids_and_trade_ids_count_up_and_a_refused_order_has_none() -> None:
    scene = booked()
    scene.send(
        scene.order("a", BUY, 10010, 1),
        scene.order("b", BUY, 10010, 1, Tif.ALO),
        scene.order("c", BUY, 10010, 1),
    )
    scene.exchange.on_batch(1, Batch("main", "order", (scene.order("d", BUY, 9990, 1),), 1, 1))
    scene.exchange.on_batch(1, Batch("main", "order", (scene.order("e", SELL, 9990, 2),), 1, 1))
    events = scene.taken()

    assert [3, 4] == [event.oid for event in events if isinstance(event, OrderAccepted)]
    assert [3] == [event.trade_id for event in events if isinstance(event, OrderFilled)]


@pytest.mark.parametrize("seed", range(3))
def test_every_placed_order_has_exactly_one_acceptance_or_refusal(seed: int) -> None:
    scene = booked()
    tifs = (GTC, IOC, ALO)
    for i in range(30):
        px = 9970 + (7 * i + seed) % 60
        side = BUY if (i + seed) % 2 else SELL
        scene.exchange.on_batch(
            i,
            Batch("main", "order", (scene.order(str(i), side, px, 1 + i % 5, tifs[i % 3]),), 1, 1),
        )
    answers = [
        event.cloid for event in scene.taken() if isinstance(event, OrderAccepted | OrderRejected)
    ]

    assert [str(i) for i in range(30)] == answers


def test_an_unknown_instrument_or_account_is_the_callers_mistake() -> None:
    exchange = SimulatedExchange(
        [COIN],
        [SimAccount("main", DOLLAR_E8)],
        fees=StaticFees(),
        queue={},
        report_ns=lambda ts_ns: ts_ns,
    )
    order = Scene().order("o", BUY, 10000, 1)

    with pytest.raises(ModelError, match=r"Quote of sim:OTHER, expected .* sim:COIN"):
        exchange.on_market(Quote(1, 1, "sim:OTHER", 1.0, 1.0, 2.0, 1.0))
    with pytest.raises(ModelError, match="account 'nobody', expected one of main"):
        exchange.on_batch(1, Batch("nobody", "order", (order,), 1, 1))
    with pytest.raises(ModelError, match="account 'nobody'"):
        exchange.equity_e8("nobody")
    with pytest.raises(ModelError, match="instrument 'sim:OTHER', expected one of sim:COIN"):
        exchange.mark_ticks2("sim:OTHER")
    with pytest.raises(ModelError, match="leverage 51 on sim:COIN, expected 1 to 50"):
        Scene(leverage=51)
