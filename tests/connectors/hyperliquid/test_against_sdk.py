"""What we would send is, byte for byte, what the official SDK would send: 1,000 random actions."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.hyperliquid.actions import Action, NoopAction, ScheduleCancelAction
from connectors.hyperliquid.batches import from_batch
from connectors.hyperliquid.envelope import sealed
from connectors.hyperliquid.keys import Signer
from connectors.hyperliquid.sign import CURVE_ORDER, Signature, pack
from engine.config.secret import Secret
from engine.model.commands import (
    Batch,
    CancelOrder,
    Command,
    ModifyOrder,
    Place,
    Trigger,
    UpdateLeverage,
)
from engine.model.instruments import Instrument, MarginTier, hyperliquid_instrument
from engine.model.units import Side, Tif, TriggerKind
from tests.connectors.hyperliquid.sdk_venv import sdk_python

ACTIONS = 1_000
COINS = 300
SEED = 20_261_121
WITNESS = Path(__file__).with_name("sdk_witness.py")
TIERS = (MarginTier(0, 40),)


def instrument(asset: int) -> Instrument:
    return hyperliquid_instrument(
        "hl", f"C{asset}", sz_decimals=asset % 6, margin_tiers=TIERS, asset=asset
    )


INSTRUMENTS = {each.id: each for each in map(instrument, range(COINS))}


class Maker:
    """Random commands of ours, and the same in the SDK's words."""

    def __init__(self, source: random.Random) -> None:
        self._source = source
        self._instruments = list(INSTRUMENTS.values())

    def case(self) -> tuple[Action, str, dict[str, Any]]:
        """An action, and the SDK's method and arguments for it."""
        kinds: list[Callable[[], tuple[Action, str, dict[str, Any]]]] = [
            self._orders,
            self._orders,
            self._bracket,
            self._modifies,
            self._cancels,
            self._cancels_by_oid,
            self._leverage,
            self._schedule,
            self._noop,
        ]
        return self._source.choice(kinds)()

    def _instrument(self) -> Instrument:
        return self._source.choice(self._instruments)

    def _cloid(self) -> str:
        return f"0x{self._source.getrandbits(128):032x}"

    def _number(self, decimals: int) -> tuple[int, float]:
        """A number on the grid of so many decimals, as an integer and as the SDK's float."""
        whole = self._source.randrange(1, 10 ** self._source.randrange(1, 9))
        return whole, whole / 10**decimals

    def _place(self, trigger: Trigger | None = None) -> tuple[Place, dict[str, Any]]:
        ours = self._instrument()
        px_ticks, px = self._number(ours.px_decimals)
        sz_lots, sz = self._number(ours.sz_decimals)
        side, tif = self._source.choice(list(Side)), self._source.choice(list(Tif))
        reduce_only, cloid = self._source.random() < 0.3, self._cloid()
        kind: dict[str, Any] = {"limit": {"tif": tif.value}}
        if trigger is not None:
            trigger_px = trigger.px_ticks / 10**ours.px_decimals
            terms = {"isMarket": trigger.is_market, "triggerPx": trigger_px}
            kind = {"trigger": {**terms, "tpsl": trigger.kind.value}}
        request = {
            "coin": ours.coin,
            "is_buy": side is Side.BUY,
            "sz": sz,
            "limit_px": px,
            "order_type": kind,
            "reduce_only": reduce_only,
            "cloid": cloid,
        }
        place = Place(ours.id, cloid, side, px_ticks, sz_lots, tif, reduce_only, trigger)
        return place, request

    def _trigger(self) -> Trigger | None:
        kind = self._source.choice(list(TriggerKind))
        px_ticks, _ = self._number(0)
        return Trigger(px_ticks, kind, self._source.random() < 0.5)

    def _orders(self) -> tuple[Action, str, dict[str, Any]]:
        count = self._source.choice([1, 2, 20])
        pairs = [
            self._place(self._trigger() if self._source.random() < 0.3 else None)
            for _ in range(count)
        ]
        action = made("order", *[place for place, _ in pairs])
        return action, "bulk_orders", {"order_requests": [request for _, request in pairs]}

    def _bracket(self) -> tuple[Action, str, dict[str, Any]]:
        pairs = [self._place(), self._place(self._trigger()), self._place(self._trigger())]
        requests = [request for _, request in pairs]
        action = made("bracket", *[place for place, _ in pairs])
        return action, "bulk_orders", {"order_requests": requests, "grouping": "normalTpsl"}

    def _modifies(self) -> tuple[Action, str, dict[str, Any]]:
        commands, requests = [], []
        for _ in range(self._source.randrange(1, 4)):
            place, request = self._place()
            oid = self._source.getrandbits(40)
            is_foreign = self._source.random() < 0.3
            if is_foreign:
                del request["cloid"]
            terms = place.px_ticks, place.sz_lots, place.tif, place.reduce_only
            cloid = f"oid:{oid}" if is_foreign else place.cloid
            commands.append(ModifyOrder(place.instrument, cloid, 1, place.side, *terms))
            requests.append({"oid": oid if is_foreign else place.cloid, "order": request})
        return made("modify", *commands), "bulk_modify_orders_new", {"modify_requests": requests}

    def _cancels(self) -> tuple[Action, str, dict[str, Any]]:
        commands, requests = [], []
        for _ in range(self._source.randrange(1, 40)):
            ours, cloid = self._instrument(), self._cloid()
            commands.append(CancelOrder(ours.id, cloid, 0))
            requests.append({"coin": ours.coin, "cloid": cloid})
        return made("cancel", *commands), "bulk_cancel_by_cloid", {"cancel_requests": requests}

    def _cancels_by_oid(self) -> tuple[Action, str, dict[str, Any]]:
        commands, requests = [], []
        for _ in range(self._source.randrange(1, 40)):
            ours, oid = self._instrument(), self._source.getrandbits(self._source.randrange(1, 50))
            commands.append(CancelOrder(ours.id, f"oid:{oid}", 0))
            requests.append({"coin": ours.coin, "oid": oid})
        return made("cancel", *commands), "bulk_cancel", {"cancel_requests": requests}

    def _leverage(self) -> tuple[Action, str, dict[str, Any]]:
        ours, leverage = self._instrument(), self._source.randrange(1, 51)
        is_cross = self._source.random() < 0.5
        action = made("leverage", UpdateLeverage(ours.id, leverage, is_cross=is_cross))
        arguments = {"leverage": leverage, "name": ours.coin, "is_cross": is_cross}
        return action, "update_leverage", arguments

    def _schedule(self) -> tuple[Action, str, dict[str, Any]]:
        if self._source.random() < 0.5:
            return ScheduleCancelAction(), "schedule_cancel", {"time": None}
        time_ms = self._source.getrandbits(43)
        return ScheduleCancelAction(time_ms), "schedule_cancel", {"time": time_ms}

    def _noop(self) -> tuple[Action, str, dict[str, Any]]:
        return NoopAction(), "noop", {}


def made(kind: str, *commands: Command) -> Action:
    return from_batch(Batch("main", kind, commands, 1, len(commands)), INSTRUMENTS)


@pytest.mark.timeout(700)  # making the SDK's venv may take minutes
def test_a_thousand_random_actions_are_what_the_official_sdk_sends() -> None:
    source = random.Random(SEED)  # noqa: S311 - repeatable, and no secret
    maker = Maker(source)
    ours, requests = [], []
    for _ in range(ACTIONS):
        action, method, arguments = maker.case()
        key = f"0x{source.randrange(1, CURVE_ORDER):064x}"
        nonce = source.getrandbits(source.choice([1, 20, 41]))
        vault = f"0x{source.getrandbits(160):040x}" if source.random() < 0.3 else None
        expires = source.getrandbits(41) if source.random() < 0.5 else None
        is_mainnet = source.random() < 0.5
        if method == "noop":
            arguments = {"nonce": nonce}
        signed_with = {"key": key, "nonce": nonce, "vault": vault, "expires": expires}
        where = {"is_mainnet": is_mainnet}
        requests.append({"method": method, "arguments": arguments, **signed_with, **where})
        body = sealed(
            action,
            nonce,
            Signer(Secret(key)),
            is_mainnet=is_mainnet,
            vault_address=vault,
            expires_after_ms=expires,
        )
        ours.append((action, body))

    theirs = asked(requests)

    assert ACTIONS == len(theirs)
    for (action, body), expected, request in zip(ours, theirs, requests, strict=True):
        assert msgspec.json.encode(expected["action"]) == msgspec.json.encode(action), request
        assert pack(expected["action"]) == pack(action)
        found = msgspec.json.decode(body)
        # The SDK leaves leading zeros out of r and s.
        signatures = [Signature(**side.pop("signature")).numbers() for side in (expected, found)]
        assert signatures[0] == signatures[1], request
        assert expected == found


def asked(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The SDK's bodies for these requests, from one process of it."""
    lines = b"".join(msgspec.json.encode(request) + b"\n" for request in requests)
    command = [str(sdk_python()), str(WITNESS)]
    done = subprocess.run(command, input=lines, capture_output=True, check=False, timeout=100)
    assert 0 == done.returncode, done.stderr.decode()
    return [msgspec.json.decode(line) for line in done.stdout.splitlines()]
