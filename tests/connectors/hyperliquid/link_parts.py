"""The parts of a link without a network: a common ground that collects events."""

from __future__ import annotations

from typing import Any

from connectors.hyperliquid.common import Common
from connectors.hyperliquid.info.orders import Fill, FrontendOrder, OpenOrder
from connectors.hyperliquid.reports import Reports
from connectors.hyperliquid.settings import LinkSettings
from connectors.hyperliquid.sign import Signature, l1_digest, pack, recover_address
from engine.drive.seams import Clock, ManualClock, SeededRandomness
from engine.model.commands import Batch, Command
from engine.model.events import AnyEvent
from engine.model.instruments import MarginTier, hyperliquid_instrument
from engine.model.units import NS_PER_MS

ADDRESS = "0x" + "ab" * 20
NOW_MS = 1_800_000_000_000
BTC = hyperliquid_instrument("hl", "BTC", sz_decimals=5, margin_tiers=(MarginTier(0, 40),))
ETH = hyperliquid_instrument("hl", "ETH", sz_decimals=4, margin_tiers=(MarginTier(0, 25),), asset=1)


class Parts:
    """A common ground with two instruments, its reports, and what was emitted."""

    def __init__(self, clock: Clock | None = None, settings: LinkSettings | None = None) -> None:
        clock = clock or ManualClock(NOW_MS * NS_PER_MS)
        self.common = Common("hl", clock, SeededRandomness(1), settings or LinkSettings())
        self.common.know([BTC, ETH])
        self.events: list[AnyEvent] = []
        self.common.emit = self.events.append
        self.reports = Reports(self.common)

    def sent(self, kind: str, *commands: Command) -> None:
        """Remember a batch as sent."""
        self.common.orders.sent(Batch("main", kind, commands, 1, 1))

    def take(self) -> list[AnyEvent]:
        """What was emitted since the last call."""
        taken = [*self.events]
        self.events.clear()
        return taken


def cloid(number: int) -> str:
    return f"0x{number:032x}"


def open_order(oid: int, number: int | None, **fields: Any) -> OpenOrder:  # noqa: ANN401
    """An order as orderUpdates shows it."""
    return OpenOrder(
        coin=fields.get("coin", "BTC"),
        side=fields.get("side", "B"),
        limit_px=fields.get("px", "100.0"),
        sz=fields.get("sz", "1.0"),
        oid=oid,
        timestamp_ms=NOW_MS,
        orig_sz=fields.get("orig_sz", "1.0"),
        cloid=None if number is None else cloid(number),
    )


def frontend_order(oid: int, number: int | None, **fields: Any) -> FrontendOrder:  # noqa: ANN401
    """An order as frontendOpenOrders and orderStatus show it."""
    return FrontendOrder(
        coin=fields.get("coin", "BTC"),
        side=fields.get("side", "B"),
        limit_px=fields.get("px", "100.0"),
        sz=fields.get("sz", "1.0"),
        oid=oid,
        timestamp_ms=NOW_MS,
        orig_sz=fields.get("orig_sz", "1.0"),
        trigger_condition=fields.get("trigger_condition", "N/A"),
        is_trigger=fields.get("is_trigger", False),
        trigger_px="0.0",
        children=fields.get("children", ()),
        is_position_tpsl=False,
        reduce_only=fields.get("reduce_only", False),
        order_type="Limit",
        tif=fields.get("tif", "Gtc"),
        cloid=None if number is None else cloid(number),
    )


def fill(tid: int, **fields: Any) -> Fill:  # noqa: ANN401
    """A fill as userFills shows it."""
    number = fields.get("number")
    return Fill(
        coin=fields.get("coin", "BTC"),
        px=fields.get("px", "100.0"),
        sz=fields.get("sz", "1.0"),
        side=fields.get("side", "B"),
        time_ms=fields.get("time_ms", NOW_MS),
        start_position=fields.get("start", "0.0"),
        dir="Open Long",
        closed_pnl="0.0",
        hash="0x0",
        oid=fields.get("oid", 1),
        crossed=fields.get("crossed", True),
        fee=fields.get("fee", "0.045"),
        tid=tid,
        fee_token="USDC",  # noqa: S106 - a currency
        cloid=None if number is None else cloid(number),
        **({"liquidation": fields["liquidation"]} if "liquidation" in fields else {}),
    )


def signer_of(body: dict[str, Any], *, is_mainnet: bool = False) -> str | None:
    """Who signed a body, from nothing but what is in it."""
    digest = l1_digest(
        pack(body["action"]),
        body["nonce"],
        is_mainnet=is_mainnet,
        vault_address=body["vaultAddress"],
        expires_after_ms=body["expiresAfter"],
    )
    numbers = Signature(**body["signature"]).numbers()
    return None if numbers is None else recover_address(digest, *numbers)
