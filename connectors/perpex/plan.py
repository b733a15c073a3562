"""A batch as the exact requests that carry it out: what is journaled, then sent once.

Places go 10 to a request. A modify, which Perpex does not know, is a cancel and then a place under
the next generation's client id. A cancel names the venue's id; where that is not known yet, because
the order is still in flight, its path is filled in when the order's own answer has come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from connectors.perpex.client_ids import client_id
from connectors.perpex.mapping import names
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.perpex.mapping.wire import OrderRequest
from connectors.perpex.numbers import text_of
from connectors.perpex.requests import check_order, order_request
from engine.errors import ModelError
from engine.model.commands import Batch, CancelOrder, ModifyOrder, Place
from engine.model.instruments import Instrument

POST: Final = "POST"
DELETE: Final = "DELETE"
_NOTHING: Final = msgspec.Raw(b"null")

FindOrderId = Callable[[str, int], str]
"""The venue's id of (cloid, generation), empty while it is not known."""


class Step(msgspec.Struct, frozen=True):
    """One request: for a POST `orders` are the exact bytes of each order in `body`.

    `commands` are the places in the batch of what it carries out.
    """

    method: str
    path: str
    commands: tuple[int, ...]
    body: msgspec.Raw = _NOTHING
    orders: tuple[msgspec.Raw, ...] = ()


class Plan(msgspec.Struct, frozen=True):
    """The requests of one batch, in order."""

    steps: tuple[Step, ...]


def make_plan(
    batch: Batch,
    instruments: Mapping[str, Instrument],
    settings: PerpexSettings,
    prefix: str,
    find: FindOrderId,
) -> Plan:
    """The requests that carry out a batch. A change of leverage has none.

    Raises ModelError for an order that cannot be sent.
    """
    steps: list[Step] = []
    places: list[tuple[int, msgspec.Raw]] = []
    deletes: list[Step] = []
    chunk = names.BATCH_MAX if settings.batch_counts == "one" else 1
    for index, command in enumerate(batch.commands):
        if isinstance(command, CancelOrder):
            steps.append(_delete(index, find(command.cloid, command.generation), prefix))
        elif isinstance(command, ModifyOrder):
            instrument = _known(instruments, command.instrument)
            places.append((index, order_bytes(command, instrument, settings)))
            deletes.append(_delete(index, find(command.cloid, command.generation - 1), prefix))
            if len(places) == chunk:
                steps += [*deletes, _post(places, prefix)]
                places, deletes = [], []
        elif isinstance(command, Place):
            instrument = _known(instruments, command.instrument)
            places.append((index, order_bytes(command, instrument, settings)))
            if len(places) == names.BATCH_MAX:
                steps.append(_post(places, prefix))
                places = []
    if places:
        steps += [*deletes, _post(places, prefix)]
    return Plan(tuple(steps))


def order_bytes(
    command: Place | ModifyOrder, instrument: Instrument, settings: PerpexSettings
) -> msgspec.Raw:
    """One order as it is sent.

    A trigger that becomes a market order carries no price: its bound is the venue's own.
    """
    trigger = command.trigger if isinstance(command, Place) else None
    kind = names.order_type(command) if isinstance(command, Place) else names.OrderType.LIMIT
    is_limit = kind in names.LIMIT_TYPES
    generation = 0 if isinstance(command, Place) else command.generation
    decimals = instrument.px_decimals
    return check_order(
        OrderRequest(
            symbol=settings.symbol(instrument.coin),
            side=names.SIDE_WORDS[command.side],
            type=str(kind),
            size=text_of(command.sz_lots, instrument.sz_decimals),
            price=text_of(command.px_ticks, decimals) if is_limit else "",
            trigger_price="" if trigger is None else text_of(trigger.px_ticks, decimals),
            time_in_force=names.TIF_WORDS[command.tif] if is_limit else "",
            reduce_only=command.reduce_only,
            client_order_id=client_id(command.cloid, generation),
        )
    )


def encode_plan(plan: Plan) -> bytes:
    """A plan as bytes for the journal."""
    return msgspec.json.encode(plan)


def decode_plan(body: bytes) -> Plan:
    """A plan from the journal's bytes, with the very bytes of each order."""
    return msgspec.json.decode(body, type=Plan)


def order_path(order_id: str, prefix: str) -> str:
    """Where one order is; empty for one whose id is not known."""
    return f"{prefix}{names.ORDERS}/{quote(order_id, safe='')}" if order_id else ""


def _known(instruments: Mapping[str, Instrument], instrument: str) -> Instrument:
    found = instruments.get(instrument)
    if found is None:
        raise ModelError(f"perpex: no instrument {instrument!r}")
    return found


def _delete(index: int, order_id: str, prefix: str) -> Step:
    return Step(DELETE, order_path(order_id, prefix), (index,))


def _post(places: Sequence[tuple[int, msgspec.Raw]], prefix: str) -> Step:
    orders = [order for _, order in places]
    path, body = order_request(orders)
    indices = tuple(index for index, _ in places)
    return Step(POST, prefix + path, indices, msgspec.Raw(body), tuple(orders))
