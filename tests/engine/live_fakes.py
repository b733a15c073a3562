"""A link that does what a test tells it, for the driver and the daemon."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from connectors.port import AccountState, OrderNote, Outgoing, Resumption, Sink, Wants
from engine.model.commands import Batch, CancelOrder, ModifyOrder, Place, UpdateLeverage
from engine.model.effects import AskOrder
from engine.model.events import (
    AnyEvent,
    AssetContext,
    BookSnapshot,
    LeverageSet,
    OrderAccepted,
    OrderCanceled,
    OrderReplaced,
)
from engine.model.instruments import Instrument
from engine.model.units import NS_PER_S
from tests.engine.builders import BTC, MAIN, instrument

VENUE = "hl"


class FakeLink:
    """Answers every command at once and well, unless `answer` says otherwise.

    `log` is what was asked of it, in order. `on_send` is called before anything is answered.
    """

    def __init__(self, now_ns: Callable[[], int], *, state: AccountState | None = None) -> None:
        self.log: list[str] = []
        self.sent: list[Outgoing] = []
        self.asked: list[AskOrder] = []
        self.wants: tuple[Wants, ...] = ()
        self.resumption = Resumption()
        self.answers = True
        self.bars_sent_ns = frozenset({60 * NS_PER_S})
        self.leverage_answers = True
        self.book: BookSnapshot | None = None
        self.on_send: Callable[[Outgoing], None] = lambda _: None
        self.sink: Sink = lambda _: None
        self._now_ns = now_ns
        self._state = state
        self._nonce = 0
        self._oid = 100

    @property
    def venue(self) -> str:
        return VENUE

    @property
    def findings(self) -> tuple[str, ...]:
        return ("a fake",)

    @property
    def bars_ns(self) -> frozenset[int]:
        return self.bars_sent_ns

    def dismiss_unclear(self, account: str, cloid: str) -> bool:
        self.log.append(f"dismiss {account} {cloid}")
        return True

    def tell_book(self, instrument: str) -> None:
        self.log.append(f"tell book {instrument}")
        if self.book is not None:
            self.say(self.book)

    async def load(self) -> tuple[Instrument, ...]:
        self.log.append("load")
        return (instrument(), instrument("ETH"))

    async def open(
        self, wants: Sequence[Wants], resumption: Resumption, sink: Sink
    ) -> tuple[AccountState, ...]:
        self.log.append("open")
        self.wants, self.resumption, self.sink = tuple(wants), resumption, sink
        self._nonce = resumption.nonce_max
        now_ns = self._now_ns()
        self.say(AssetContext(now_ns, now_ns, BTC, 100.0, 100.0, 0.0, 0.0))
        return (self._state or self.state(),)

    def state(self, **how: object) -> AccountState:
        """A flat account of a million."""
        fields: dict[str, object] = {
            "account": MAIN,
            "ts_venue_ns": self._now_ns(),
            "equity_e8": 10**14,
            "cash_e8": 10**14,
            "positions": (),
            "orders": (),
            "leverage": {},
        }
        return AccountState(**{**fields, **how})  # type: ignore[arg-type]

    def prepare(self, batch: Batch, notes: tuple[OrderNote, ...]) -> Outgoing:
        self._nonce += 1
        self.log.append(f"prepare {batch.kind}")
        body = f"signed {self._nonce}".encode()
        return Outgoing(VENUE, batch.account, batch, self._nonce, body, 0, notes)

    def send(self, outgoing: Outgoing) -> None:
        self.log.append(f"send {outgoing.batch.kind}")
        self.sent.append(outgoing)
        self.on_send(outgoing)
        for command in outgoing.batch.commands:
            self._answer(command)

    def _answer(self, command: Place | CancelOrder | ModifyOrder | UpdateLeverage) -> None:
        times = self._now_ns(), self._now_ns()
        if isinstance(command, UpdateLeverage):
            if self.leverage_answers:
                where, leverage, is_cross = command.instrument, command.leverage, command.is_cross
                self.say(LeverageSet(*times, MAIN, where, leverage, is_cross))
            return
        if not self.answers:
            return
        key = MAIN, command.instrument, command.cloid
        self._oid += 1
        if isinstance(command, Place):
            self.say(OrderAccepted(*times, *key, 0, self._oid))
        elif isinstance(command, ModifyOrder):
            what = command.px_ticks, command.sz_lots
            self.say(OrderReplaced(*times, *key, command.generation, self._oid, *what))
        else:
            self.say(OrderCanceled(*times, *key, command.generation, self._oid, "canceled"))

    def say(self, event: AnyEvent) -> None:
        """Let the driver hear something."""
        self.sink(event)

    def ask(self, ask: AskOrder) -> None:
        self.log.append("ask")
        self.asked.append(ask)

    async def refresh(self, job: str) -> None:
        self.log.append(f"refresh {job}")

    async def close(self) -> None:
        self.log.append("close")
