"""The exchange against a second one written from the same rules with plain lists.

They tell the same story, line by line.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.units import Side, Tif
from tests.backtests.exchange.naive import NaiveExchange, Rest
from tests.backtests.exchange.scene import Scene

MID = 10_000
Terms = tuple[Side, int, int, Tif, bool]
SIDES = st.sampled_from([Side.BUY, Side.SELL])
LOTS = st.integers(1, 6)
ACCOUNTS = st.sampled_from(["main", "main", "other"])
PRICES = st.integers(MID - 4, MID + 4)
LEVELS = st.dictionaries(st.integers(0, 4), st.integers(1, 6), max_size=4)
CLOIDS = st.sampled_from("abcdefgh")

TERMS = st.tuples(SIDES, PRICES, LOTS, st.sampled_from(Tif), st.booleans())
PLACE = st.tuples(st.just("place"), ACCOUNTS, CLOIDS, TERMS)
CANCEL = st.tuples(st.just("cancel"), ACCOUNTS, CLOIDS)
MODIFY = st.tuples(st.just("modify"), ACCOUNTS, CLOIDS, TERMS)
TRADE = st.tuples(st.just("trade"), PRICES, st.integers(1, 12), SIDES)
BAR = st.tuples(st.just("bar"), PRICES, PRICES, PRICES)
QUOTE = st.tuples(st.just("quote"), st.integers(0, 4), LOTS, st.integers(0, 4), LOTS)
BOOK = st.tuples(st.just("book"), LEVELS, LEVELS)
CHANGE = st.tuples(
    st.just("change"), st.sampled_from([1, -1]), st.integers(0, 4), st.integers(0, 6)
)
ROWS = {
    "book": st.one_of(BOOK, CHANGE, TRADE),
    "quote": st.one_of(QUOTE, TRADE),
    "trade": TRADE,
    "bar": BAR,
}


def steps(kind: str) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    return st.lists(st.one_of(ROWS[kind], ROWS[kind], PLACE, PLACE, CANCEL, MODIFY), max_size=50)


class Pair:
    """Both exchanges, told the same."""

    def __init__(self, kind: str, queue: str) -> None:
        self.scene = Scene(
            queue="trades" if queue == "trades" else "cross", accounts=("main", "other")
        )
        self.naive = NaiveExchange(kind, queue)
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.generation = 0
        if kind == "book":
            self.book({1: 3}, {1: 3})
        elif kind == "quote":
            self.quote(1, 3, 1, 3)

    def told(self) -> list[str]:
        told, self.naive.log = self.naive.log, []
        return told

    def book(self, bids: dict[int, int], asks: dict[int, int]) -> list[str]:
        self.bids = {MID - away: lots for away, lots in bids.items()}
        self.asks = {MID + away: lots for away, lots in asks.items()}
        self.naive.show(self.bids, self.asks)
        return self.scene.book(list(self.bids.items()), list(self.asks.items()))

    def change(self, side: int, away: int, lots: int) -> list[str]:
        levels = self.bids if side > 0 else self.asks
        px = MID - side * away
        if lots:
            levels[px] = lots
        else:
            levels.pop(px, None)
        self.naive.show(self.bids, self.asks)
        changed = [(px, lots)]
        return self.scene.change(changed if side > 0 else [], [] if side > 0 else changed)

    def quote(self, below: int, bid_lots: int, above: int, ask_lots: int) -> list[str]:
        self.naive.show({MID - below: bid_lots}, {MID + above: ask_lots})
        return self.scene.quote(MID - below, bid_lots, MID + above, ask_lots)

    def trade(self, px: int, lots: int, side: Side) -> list[str]:
        self.naive.trade(px, lots, side)
        return self.scene.trade(px, lots, side)

    def bar(self, *prices: int) -> list[str]:
        low, close, high = sorted(prices)
        self.naive.bar(high, low, close)
        return self.scene.bar(prices[0], high, low, close)

    def place(self, account: str, cloid: str, terms: Terms) -> list[str]:
        side, px, lots, tif, reduce_only = terms
        self.naive.place(Rest(account, cloid, side, px, lots, tif, reduce_only))
        return self.scene.place(
            cloid, side, px, lots, tif, reduce_only=reduce_only, account=account
        )

    def cancel(self, account: str, cloid: str) -> list[str]:
        self.naive.cancel(account, cloid)
        return self.scene.cancel(cloid, account=account)

    def modify(self, account: str, cloid: str, terms: Terms) -> list[str]:
        side, px, lots, tif, reduce_only = terms
        self.generation += 1
        generation = self.generation
        self.naive.modify(Rest(account, cloid, side, px, lots, tif, reduce_only, generation))
        return self.scene.modify(
            cloid,
            side,
            px,
            lots,
            tif,
            generation=generation,
            reduce_only=reduce_only,
            account=account,
        )


def without_bbo(told: list[str]) -> list[str]:
    return [line.split(", bbo was")[0] for line in told]


@pytest.mark.parametrize("queue", ["trades", "cross"])
@pytest.mark.parametrize("kind", ["book", "quote", "trade", "bar"])
@given(data=st.data())
def test_both_exchanges_tell_the_same_story(kind: str, queue: str, data: st.DataObject) -> None:
    pair = Pair(kind, queue)
    for name, *arguments in data.draw(steps(kind)):
        told = getattr(pair, name)(*arguments)

        assert pair.told() == without_bbo(told)
        assert pair.naive.position["main"] == pair.scene.lots("main")
        assert pair.naive.position["other"] == pair.scene.lots("other")
