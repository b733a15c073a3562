"""A seeded life of an engine: everything a venue may say, and two strategies that trade in it.

Run as a program with a seed, it prints a digest of all effects: what the determinism test compares
between processes.
"""

from __future__ import annotations

import hashlib
import sys
from random import Random
from typing import Any

import msgspec

from engine.core import Engine
from engine.model.commands import CancelOrder, ModifyOrder, Place
from engine.model.effects import AskOrder, Effect, SetTimer, Submit
from engine.model.events import (
    AccountOpened,
    AssetContext,
    BookDelta,
    BookSnapshot,
    CancelRejected,
    EngineStarted,
    EngineStopping,
    Event,
    FundingPaid,
    FundingRate,
    Halted,
    ModifyRejected,
    OpenInterestCaps,
    OrderAccepted,
    OrderCanceled,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderUnclear,
    Quote,
    Resumed,
    StreamChanged,
    StreamPhase,
    TimerFired,
    Trade,
    Transfer,
)
from engine.model.intents import AnyIntent
from engine.model.units import MONEY_SCALE, NS_PER_S, Side
from strategies.api import Bars, Books, Funding, Intents, Quotes, Timer, Trades, Warmup
from tests.engine.builders import BTC, EPOCH, ETH, MAIN, START_NS, Scripted, engine_with, instrument

SECOND_NS = NS_PER_S


def wishing(seed: int) -> Any:  # noqa: ANN401 - a script
    """A script that asks for something at every fifth call or so."""
    random = Random(seed)  # noqa: S311 - reproducible, not secret

    def script(strategy: Scripted, handler: str, what: object) -> Intents:
        del what
        if handler != "on_start" and random.random() > 0.2:
            return None
        where = random.choice([BTC, ETH])
        side, px, sz = random.choice(list(Side)), random.uniform(95, 105), random.uniform(0, 2)
        own = sorted(order.cloid for order in strategy.view.orders(where)) or ["none"]
        return [
            random.choice(
                list[AnyIntent](
                    [
                        strategy.limit(where, side, px, sz),
                        strategy.quote(where, "q", side, px, sz),
                        strategy.cancel_quote(where, "q"),
                        strategy.market(where, side, sz),
                        strategy.target(where, sz - 1),
                        strategy.close(where),
                        strategy.bracket(
                            strategy.limit(where, side, px, sz), stop_px=px - side * 5
                        ),
                        strategy.cancel(where, random.choice(own)),
                        strategy.modify(where, random.choice(own), px, sz),
                        strategy.cancel_all(where),
                        strategy.wake_at("again", strategy.view.now_ns + SECOND_NS),
                        strategy.set_leverage(where, random.randint(0, 25)),
                    ]
                )
            )
            for _ in range(random.randint(1, 3))
        ]

    return script


def engine_of(seed: int) -> Engine:
    """Two strategies on two instruments, woken by everything there is."""
    subscriptions = (Quotes(), Books(), Trades(), Bars("1s", 5), Funding(), Timer("tick", "2s"))
    return engine_with(
        *(
            Scripted(*subscriptions, warmup=Warmup(bars=k), script=wishing(seed + k))
            for k in range(2)
        ),
        instruments=(instrument(), instrument("ETH")),
        bars_from_trades=frozenset({(BTC, SECOND_NS), (ETH, SECOND_NS)}),
    )


class Venue:
    """Answers every command at random, now or a few events later."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - reproducible, not secret
        self.now_ns = START_NS
        self.number = 0
        self.answers: list[Event] = []

    def hear(self, effects: tuple[Effect, ...]) -> None:
        """Queue the answers to what was sent."""
        for effect in effects:
            if isinstance(effect, Submit):
                for command in effect.batch.commands:
                    if isinstance(command, Place | CancelOrder | ModifyOrder):
                        self.answers += self.answer(command)
            elif isinstance(effect, AskOrder):
                self.answers.append(self.of(OrderAccepted, effect, effect.generation, 1))
            elif isinstance(effect, SetTimer):
                at_ns = max(self.now_ns, effect.at_ns)
                self.answers.append(TimerFired(at_ns, at_ns, effect.strategy, effect.name))

    def of(
        self,
        kind: type[OrderEvent],
        command: Place | CancelOrder | ModifyOrder | AskOrder,
        generation: int,
        *fields: object,
    ) -> Event:
        return kind(
            self.now_ns, self.now_ns, MAIN, command.instrument, command.cloid, generation, *fields
        )

    def answer(self, command: Place | CancelOrder | ModifyOrder) -> list[Event]:
        luck = self.random.random()
        if isinstance(command, CancelOrder):
            if luck < 0.2:
                return [self.of(CancelRejected, command, command.generation, "gone")]
            return [self.of(OrderCanceled, command, command.generation, 1, "canceled")]
        if isinstance(command, ModifyOrder):
            if luck < 0.3:
                return [self.of(ModifyRejected, command, command.generation, "no")]
            px_ticks, sz_lots = command.px_ticks, command.sz_lots
            return [self.of(OrderReplaced, command, command.generation, 2, px_ticks, sz_lots)]
        if luck < 0.1:
            return [self.of(OrderRejected, command, 0, "no")]
        return [self.of(OrderUnclear, command, 0, "late")] if luck < 0.2 else self.fill(command)

    def fill(self, command: Place) -> list[Event]:
        self.number += 1
        lots = max(1, command.sz_lots // self.random.randint(1, 3))
        number, px = self.number, command.px_ticks / 1000
        fee_e8, is_maker = self.random.randint(-9, 9), self.random.random() < 0.5
        what = command.side, command.px_ticks, lots, px, lots / 1000, fee_e8, is_maker
        return [
            self.of(OrderAccepted, command, 0, number),
            self.of(OrderFilled, command, 0, number, number, *what),
        ]

    def say(self) -> Event:
        """The next event: an answer that is due, or something of the market or the operator."""
        random = self.random
        self.now_ns += random.choice([0, 0, 1, 10**6, SECOND_NS // 2])
        if self.answers and random.random() < 0.5:
            event = self.answers.pop(random.randrange(min(3, len(self.answers))))
            self.now_ns = max(self.now_ns, event.ts_local_ns)
            return msgspec.structs.replace(event, ts_local_ns=self.now_ns)
        return self.market()

    def market(self) -> Event:
        random, at, n = self.random, self.now_ns, self.number
        where, px = random.choice([BTC, ETH]), round(random.uniform(98, 102), 2)
        self.number += 1
        made: list[Any] = [
            lambda: Quote(at, at, where, px - 0.01, 1.0, px + 0.01, 1.0),
            lambda: BookSnapshot(at, at, where, n, (px,), (1.0,), (px + 1,), (2.0,)),
            lambda: BookDelta(at, at, where, n, (px - 1,), (random.choice([0.0, 1.0]),), (), ()),
            lambda: Trade(at, at, where, px, 0.25, random.choice(list(Side)), n),
            lambda: Trade(at, at, "hl:DOGE", px, 0.25, Side.BUY, n),
            lambda: AssetContext(at, at, where, px, px, 0.0, 0.0),
            lambda: FundingRate(at, at, where, 0.0001),
            lambda: FundingPaid(at, at, MAIN, where, random.randint(-99, 99), 10, 0.0001),
            lambda: Transfer(at, at, MAIN, random.randint(-99, 99), "deposit"),
        ]
        rare: list[Any] = [
            lambda: Halted(at, at, "by hand"),
            lambda: Resumed(at, at, "by hand"),
            lambda: OpenInterestCaps(at, at, "hl", random.choice([(), (where,)])),
            lambda: StreamChanged(at, at, "book", random.choice(list(StreamPhase)), where, ""),
        ]
        event: Event = random.choice(rare if random.random() < 0.03 else made)()
        return event


def life(seed: int, count: int = 600) -> tuple[list[Event], list[tuple[Effect, ...]]]:
    """Every event of a life and the effects of each; the events are made as it goes along."""
    engine, venue = engine_of(seed), Venue(seed)
    events: list[Event] = [
        AccountOpened(START_NS, START_NS, MAIN, "hl", 10**5 * MONEY_SCALE),
        EngineStarted(START_NS, START_NS, EPOCH),
    ]
    effects = [engine.step(event) for event in events]
    for done in effects:
        venue.hear(done)
    for _ in range(count):
        events.append(venue.say())
        effects.append(engine.step(events[-1]))
        venue.hear(effects[-1])
    events.append(EngineStopping(venue.now_ns, venue.now_ns, "end"))
    effects.append(engine.step(events[-1]))
    return events, effects


if __name__ == "__main__":
    done = [msgspec.msgpack.encode(item) for item in life(int(sys.argv[1]))[1]]
    print(hashlib.sha256(b"".join(done)).hexdigest())  # noqa: T201 - what it is run for
