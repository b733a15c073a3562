"""Orders as they come in: strict about their form, then put on the grid of their instrument.

The body's form is checked as a whole (INVALID_REQUEST); what the market or the account makes of it
is said of each order. A client id is good for one order for ever, unless that one was refused. A
market order is an IOC limit at its bound; a triggered market order has a bound of its own.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from backtests.exchange import words
from connectors.simulated.accounts import VenueAccount
from connectors.simulated.core import VenueCore
from connectors.simulated.orders import NewOrder, OrderRecord
from connectors.simulated.perpex import views
from connectors.simulated.perpex.errors import (
    DUPLICATE_CLIENT_ORDER_ID,
    INVALID_PRICE,
    INVALID_REQUEST,
    INVALID_SIZE,
    INVALID_SYMBOL,
    ORDER_NOT_FOUND,
    Refusal,
    code_of,
)
from connectors.simulated.perpex.settings import PerpexFaceSettings
from connectors.simulated.perpex.views import Json
from engine.model.commands import Trigger
from engine.model.instruments import Instrument
from engine.model.units import PPB, Side, Tif, TriggerKind

BATCH_MAX: Final = 10
KEYS_REMEMBERED_MAX: Final = 10_000

Positive = Annotated[str, msgspec.Meta(pattern=r"^(?=.*[1-9])[0-9]{1,20}(\.[0-9]{1,20})?\Z")]
ClientId = Annotated[str, msgspec.Meta(pattern=r"^0x[0-9a-f]{32}\Z")]
Symbol = Annotated[str, msgspec.Meta(min_length=1)]
OrderType = Literal[
    "limit", "market", "stop_market", "stop_limit", "take_profit_market", "take_profit_limit"
]
_TIFS: Final = {"gtc": Tif.GTC, "ioc": Tif.IOC, "alo": Tif.ALO}


class OrderBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /orders, and one order of a batch."""

    symbol: Symbol
    side: Literal["buy", "sell"]
    type: OrderType
    size: Positive
    price: Positive | UnsetType = UNSET
    trigger_price: Positive | UnsetType = UNSET
    time_in_force: Literal["gtc", "ioc", "alo"] = "gtc"
    reduce_only: bool = False
    client_order_id: ClientId | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.type.endswith("limit") and self.price is UNSET:
            raise ValueError(f"a {self.type} order needs a price")
        if (self.type in {"limit", "market"}) is not (self.trigger_price is UNSET):
            wanted = "no" if self.trigger_price is not UNSET else "a"
            raise ValueError(f"a {self.type} order needs {wanted} trigger_price")


class BatchBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /orders/batch."""

    orders: Annotated[list[OrderBody], msgspec.Meta(min_length=1, max_length=BATCH_MAX)]


ORDER: Final = msgspec.json.Decoder(OrderBody)
BATCH: Final = msgspec.json.Decoder(BatchBody)


def read_order(body: bytes) -> OrderBody:
    """One order. Raises Refusal."""
    try:
        return ORDER.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Refusal(INVALID_REQUEST, str(error)) from None


def read_batch(body: bytes) -> list[OrderBody]:
    """1 to 10 orders. Raises Refusal."""
    try:
        return BATCH.decode(body).orders
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Refusal(INVALID_REQUEST, str(error)) from None


class OrderDesk:
    """Places and cancels for accounts."""

    def __init__(self, core: VenueCore, settings: PerpexFaceSettings) -> None:
        self._core = core
        self._settings = settings
        self._answers: OrderedDict[tuple[str, str], tuple[bytes, Json]] = OrderedDict()

    # -- idempotency -------------------------------------------------------------------------------

    def earlier(self, account: VenueAccount, key: str | None, body: bytes) -> Json | None:
        """The answer that this Idempotency-Key got before; Refusal when it was another request."""
        found = self._answers.get((account.name, key)) if key else None
        if found is None:
            return None
        if found[0] != body:
            raise Refusal(INVALID_REQUEST, "the Idempotency-Key was used for another request")
        return found[1]

    def remember(self, account: VenueAccount, key: str | None, body: bytes, answer: Json) -> None:
        """Keep the answer of a request that was carried out; the newest 10,000 are kept."""
        if key:
            self._answers[account.name, key] = body, answer
            if len(self._answers) > KEYS_REMEMBERED_MAX:
                self._answers.popitem(last=False)

    # -- actions -----------------------------------------------------------------------------------

    def place(self, account: VenueAccount, body: OrderBody) -> Json:
        """Place one order: as it then stands. Raises Refusal."""
        record = self._core.place(account, self._new_order(account, body))
        if record.error and record.error != words.IOC:
            raise Refusal(code_of(record.error), record.error)
        return views.order(record)

    def place_all(self, account: VenueAccount, bodies: list[OrderBody]) -> Json:
        """Place one after the other; each has a result of its own."""
        results: list[Json] = []
        for index, body in enumerate(bodies):
            try:
                results.append({"index": index, "order": self.place(account, body)})
            except Refusal as refusal:
                results.append({"index": index, "error": refusal.view()})
        return {"results": results}

    def cancel(self, account: VenueAccount, ident: str) -> Json:
        """Cancel by order id. Raises Refusal."""
        record = self._find(account, ident)
        if record is None or not self._core.cancel(account, record):
            raise Refusal(ORDER_NOT_FOUND, words.GONE)
        filled = views.size(record.new.instrument, record.filled_lots)
        return {"id": ident, "status": "canceled", "filled_size": filled}

    def instrument(self, symbol: str) -> Instrument:
        """The instrument of a symbol. Raises Refusal."""
        found = self._core.instruments.get(symbol)
        if found is None:
            raise Refusal(INVALID_SYMBOL, "there is no such market")
        return found

    # -- inside ------------------------------------------------------------------------------------

    def _find(self, account: VenueAccount, ident: str) -> OrderRecord | None:
        is_number = ident.isascii() and ident.isdecimal() and len(ident) < 20
        return account.find(int(ident)) if is_number else None

    def _new_order(self, account: VenueAccount, body: OrderBody) -> NewOrder:
        instrument = self.instrument(body.symbol)
        cloid = None if body.client_order_id is UNSET else body.client_order_id
        known = None if cloid is None else account.find(cloid)
        if known is not None and views.order_status(known) != views.REJECTED:
            raise Refusal(
                DUPLICATE_CLIENT_ORDER_ID, f"the client order id is that of order {known.oid}"
            )
        side = Side.BUY if body.side == "buy" else Side.SELL
        lots = _on_grid(body.size, instrument.sz_decimals)
        if lots is None:
            raise Refusal(INVALID_SIZE, words.INVALID_SIZE)
        is_market = body.type == "market"
        trigger = _trigger(body, instrument)
        tif = _TIFS[body.time_in_force]
        return NewOrder(
            instrument=instrument,
            side=side,
            px_ticks=self._limit(body, instrument, side, trigger),
            sz_lots=lots,
            tif=Tif.IOC if is_market else tif,
            reduce_only=body.reduce_only,
            cloid=cloid,
            trigger=trigger,
            is_market=is_market,
        )

    def _limit(
        self, body: OrderBody, instrument: Instrument, side: Side, trigger: Trigger | None
    ) -> int:
        """The limit price in ticks: the one given, else as far as a market order may move."""
        if body.price is not UNSET:
            return _ticks(body.price, instrument)
        if trigger is not None:
            ticks2, part_ppb = 2 * trigger.px_ticks, self._settings.trigger_slippage_ppb
        else:
            data = self._core.public[instrument.id]
            ticks2 = data.mid_ticks2() or data.desk.market.mark_ticks2()
            part_ppb = self._settings.slippage_ppb
        if not ticks2:
            raise Refusal(INVALID_PRICE, "there is no price to bound a market order by")
        bound = ticks2 * (PPB + side * part_ppb) // (2 * PPB)
        prices = self._core.exchange.desk(instrument.id).market.prices
        return prices.up(bound) if side > 0 else max(1, prices.down(bound))


def _trigger(body: OrderBody, instrument: Instrument) -> Trigger | None:
    if body.trigger_price is UNSET:
        return None
    kind = TriggerKind.STOP_LOSS if body.type.startswith("stop") else TriggerKind.TAKE_PROFIT
    return Trigger(_ticks(body.trigger_price, instrument), kind, body.type.endswith("market"))


def _ticks(text: str, instrument: Instrument) -> int:
    ticks = _on_grid(text, instrument.px_decimals)
    if ticks is None:
        raise Refusal(INVALID_PRICE, words.TICK)
    return ticks


def _on_grid(text: str, decimals: int) -> int | None:
    """A plain decimal as an integer of 10^-decimals; None when it has more of them."""
    whole, _, part = text.partition(".")
    part = part.rstrip("0")
    if len(part) > decimals:
        return None
    return int(whole + part.ljust(decimals, "0"))
