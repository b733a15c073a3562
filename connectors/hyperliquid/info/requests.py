"""Every info request we know: its parameters, the type of its answer, and how it is paged.

One table (`REQUESTS`), used by the client, by `perpd info` and by who serves answers. The wire is
`POST /info` with one JSON object of `type` and the parameters (protocol 1); what comes back is
decoded here too, over HTTP and over a WebSocket post alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeVar

import msgspec

from connectors.hyperliquid.info import account, ledger, limits, market, metadata, orders
from connectors.hyperliquid.info.fields import Amount
from engine.errors import VenueError

T = TypeVar("T")
Params = Mapping[str, str | int | bool | None]

SHOWN_BYTES: Final = 120


class Paging(msgspec.Struct, frozen=True):
    """An answer with a limit of rows; the walk goes on at the time of its last row."""

    rows_max: int
    time_field: str = "time_ms"


class InfoRequest(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One type of info request. Parameters go by their names on the wire.

    A parameter of `takes` is left out when it is None, or when it is the empty dex, which is what
    the venue assumes. `nested` names the object in which the parameters are sent.
    """

    name: str
    line: str
    parse: Callable[[bytes], T]
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    paging: Paging | None = None
    nested: str = ""

    def body(self, params: Params) -> bytes:
        """The request as JSON bytes."""
        given = {name: params.get(name) for name in (*self.needs, *self.takes)}
        sent = {
            name: value
            for name, value in given.items()
            if value is not None and (name in self.needs or value != "")
        }
        payload: dict[str, object] = {"type": self.name}
        payload |= {self.nested: sent} if self.nested else sent
        return msgspec.json.encode(payload)

    def decode(self, body: bytes) -> T:
        """The answer as its type. Raises VenueError naming the request, the place and the body."""
        try:
            return self.parse(body)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise VenueError(
                f"info {self.name}: an answer that makes no sense: {str(error)[:200]};"
                f" it begins {first_of(body)}"
            ) from error


def encode(answer: object) -> bytes:
    """An answer as JSON again: the same facts, without what we passed over."""
    return msgspec.json.encode(answer, enc_hook=_encode_unknown)


def first_of(body: bytes) -> str:
    """The first of a body on one line, for errors."""
    shown = ascii(body[:SHOWN_BYTES].decode(errors="replace"))
    return shown + ("..." if len(body) > SHOWN_BYTES else "")


def _encode_unknown(value: object) -> msgspec.Raw:
    if isinstance(value, ledger.UnknownDelta):
        return msgspec.Raw(value.raw)
    raise NotImplementedError(f"{type(value).__name__} is no answer")


def _json(of: Any) -> Callable[[bytes], Any]:  # noqa: ANN401 - a type form, which mypy cannot type
    return msgspec.json.Decoder(of).decode


_HISTORY: Final = Paging(500)
_SPAN: Final = ("startTime",)

# -- perpetuals: the metadata ----------------------------------------------------------------------

PERP_DEXS: Final = InfoRequest[tuple[metadata.PerpDex | None, ...]](
    name="perpDexs",
    line="Every perp dex; the first, null, is the venue's own.",
    parse=_json(tuple[metadata.PerpDex | None, ...]),
)
META: Final = InfoRequest[metadata.PerpMeta](
    name="meta",
    line="The perpetuals of a dex, and their margin tables.",
    parse=_json(metadata.PerpMeta),
    takes=("dex",),
)
META_AND_ASSET_CTXS: Final = InfoRequest[metadata.MetaAndAssetCtxs](
    name="metaAndAssetCtxs",
    line="The perpetuals of a dex with mark price, funding and open interest.",
    parse=_json(metadata.MetaAndAssetCtxs),
    takes=("dex",),
)
ALL_PERP_METAS: Final = InfoRequest[tuple[metadata.PerpMeta | metadata.MetaAndAssetCtxs, ...]](
    name="allPerpMetas",
    line="The perpetuals of every dex.",
    parse=_json(tuple[metadata.PerpMeta | metadata.MetaAndAssetCtxs, ...]),
)
PERP_DEX_LIMITS: Final = InfoRequest[metadata.PerpDexLimits | None](
    name="perpDexLimits",
    line="Open-interest and transfer caps of a builder dex.",
    parse=_json(metadata.PerpDexLimits | None),
    needs=("dex",),
)
PERP_DEX_STATUS: Final = InfoRequest[metadata.PerpDexStatus](
    name="perpDexStatus",
    line='Net deposits of a dex ("" is the venue\'s own).',
    parse=_json(metadata.PerpDexStatus),
    needs=("dex",),
)
PERPS_AT_OPEN_INTEREST_CAP: Final = InfoRequest[tuple[str, ...]](
    name="perpsAtOpenInterestCap",
    line="The coins whose open interest is at its cap.",
    parse=_json(tuple[str, ...]),
    takes=("dex",),
)
PERP_DEPLOY_AUCTION_STATUS: Final = InfoRequest[metadata.PerpDeployAuctionStatus](
    name="perpDeployAuctionStatus",
    line="The auction of the right to deploy the next perpetual.",
    parse=_json(metadata.PerpDeployAuctionStatus),
)
PERP_ANNOTATION: Final = InfoRequest[metadata.PerpAnnotation | None](
    name="perpAnnotation",
    line="What its deployer says of a perpetual.",
    parse=_json(metadata.PerpAnnotation | None),
    needs=("coin",),
)
PERP_CATEGORIES: Final = InfoRequest[tuple[tuple[str, str], ...]](
    name="perpCategories",
    line="The category of every perpetual that has one.",
    parse=_json(tuple[tuple[str, str], ...]),
)
PERP_CONCISE_ANNOTATIONS: Final = InfoRequest[
    tuple[tuple[str, metadata.PerpConciseAnnotation], ...]
](
    name="perpConciseAnnotations",
    line="Category and keywords of every annotated perpetual.",
    parse=_json(tuple[tuple[str, metadata.PerpConciseAnnotation], ...]),
)
EXCHANGE_STATUS: Final = InfoRequest[metadata.ExchangeStatus](
    name="exchangeStatus",
    line="The venue's clock and its notices.",
    parse=_json(metadata.ExchangeStatus),
)
SPOT_META: Final = InfoRequest[metadata.SpotMeta](
    name="spotMeta",
    line="Every spot token and pair.",
    parse=_json(metadata.SpotMeta),
)

# -- the market ------------------------------------------------------------------------------------

ALL_MIDS: Final = InfoRequest[dict[str, str]](
    name="allMids",
    line="The mid price of every coin of a dex.",
    parse=_json(dict[str, Amount]),
    takes=("dex",),
)
L2_BOOK: Final = InfoRequest[market.L2Book](
    name="l2Book",
    line="The order book of a coin, 20 levels a side.",
    parse=_json(market.L2Book),
    needs=("coin",),
    takes=("nSigFigs", "mantissa"),
)
RECENT_TRADES: Final = InfoRequest[tuple[market.TradeRow, ...]](
    name="recentTrades",
    line="The last trades of a coin.",
    parse=_json(tuple[market.TradeRow, ...]),
    needs=("coin",),
)
CANDLE_SNAPSHOT: Final = InfoRequest[tuple[market.Candle, ...]](
    name="candleSnapshot",
    line="Candles of a coin; only the 5000 newest of an interval exist.",
    parse=_json(tuple[market.Candle, ...]),
    needs=("coin", "interval", "startTime", "endTime"),
    paging=Paging(5000, "open_ms"),
    nested="req",
)
FUNDING_HISTORY: Final = InfoRequest[tuple[market.FundingRow, ...]](
    name="fundingHistory",
    line="Settled funding rates of a coin.",
    parse=_json(tuple[market.FundingRow, ...]),
    needs=("coin", *_SPAN),
    takes=("endTime",),
    paging=_HISTORY,
)
PREDICTED_FUNDINGS: Final = InfoRequest[tuple[tuple[str, market.VenueFundings], ...]](
    name="predictedFundings",
    line="The next funding of every coin, here and at other venues.",
    parse=_json(tuple[tuple[str, market.VenueFundings], ...]),
)

# -- an account ------------------------------------------------------------------------------------

CLEARINGHOUSE_STATE: Final = InfoRequest[account.ClearinghouseState](
    name="clearinghouseState",
    line="Positions and margin of an account.",
    parse=_json(account.ClearinghouseState),
    needs=("user",),
    takes=("dex",),
)
ACTIVE_ASSET_DATA: Final = InfoRequest[account.ActiveAssetData](
    name="activeAssetData",
    line="Leverage of an account in a coin, and what it may trade.",
    parse=_json(account.ActiveAssetData),
    needs=("user", "coin"),
)
SPOT_CLEARINGHOUSE_STATE: Final = InfoRequest[account.SpotClearinghouseState](
    name="spotClearinghouseState",
    line="Spot balances of an account.",
    parse=_json(account.SpotClearinghouseState),
    needs=("user",),
)
USER_FUNDING: Final = InfoRequest[tuple[ledger.UserFundingRow, ...]](
    name="userFunding",
    line="Funding an account paid and received.",
    parse=_json(tuple[ledger.UserFundingRow, ...]),
    needs=("user", *_SPAN),
    takes=("endTime",),
    paging=_HISTORY,
)
USER_NON_FUNDING_LEDGER_UPDATES: Final = InfoRequest[tuple[ledger.LedgerUpdate, ...]](
    name="userNonFundingLedgerUpdates",
    line="Deposits, withdrawals, transfers and liquidations of an account.",
    parse=ledger.decode_ledger,
    needs=("user", *_SPAN),
    takes=("endTime",),
    paging=_HISTORY,
)
OPEN_ORDERS: Final = InfoRequest[tuple[orders.OpenOrder, ...]](
    name="openOrders",
    line="Open orders of an account, in short.",
    parse=_json(tuple[orders.OpenOrder, ...]),
    needs=("user",),
    takes=("dex",),
)
FRONTEND_OPEN_ORDERS: Final = InfoRequest[tuple[orders.FrontendOrder, ...]](
    name="frontendOpenOrders",
    line="Open orders of an account, with triggers.",
    parse=_json(tuple[orders.FrontendOrder, ...]),
    needs=("user",),
    takes=("dex",),
)
ORDER_STATUS: Final = InfoRequest[orders.OrderStatus](
    name="orderStatus",
    line="What became of one order, by its oid or cloid.",
    parse=_json(orders.OrderStatus),
    needs=("user", "oid"),
)
USER_FILLS: Final = InfoRequest[tuple[orders.Fill, ...]](
    name="userFills",
    line="The 2000 newest fills of an account.",
    parse=_json(tuple[orders.Fill, ...]),
    needs=("user",),
    takes=("aggregateByTime",),
)
USER_FILLS_BY_TIME: Final = InfoRequest[tuple[orders.Fill, ...]](
    name="userFillsByTime",
    line="Fills of an account; only the 10000 newest exist.",
    parse=_json(tuple[orders.Fill, ...]),
    needs=("user", *_SPAN),
    takes=("endTime", "aggregateByTime"),
    paging=Paging(2000),
)
USER_RATE_LIMIT: Final = InfoRequest[limits.UserRateLimit](
    name="userRateLimit",
    line="The action budget of an account.",
    parse=_json(limits.UserRateLimit),
    needs=("user",),
)
USER_FEES: Final = InfoRequest[limits.UserFees](
    name="userFees",
    line="The fee rates of an account and the schedule behind them.",
    parse=_json(limits.UserFees),
    needs=("user",),
)
USER_ROLE: Final = InfoRequest[account.UserRole](
    name="userRole",
    line="What an address is: user, agent, vault, sub-account or unknown.",
    parse=_json(account.UserRole),
    needs=("user",),
)
EXTRA_AGENTS: Final = InfoRequest[tuple[account.ExtraAgent, ...]](
    name="extraAgents",
    line="The named agents of an account.",
    parse=_json(tuple[account.ExtraAgent, ...]),
    needs=("user",),
)
USER_ABSTRACTION: Final = InfoRequest[str](
    name="userAbstraction",
    line="The mode of an account: default, unifiedAccount, portfolioMargin, ...",
    parse=_json(str),
    needs=("user",),
)

_OWNERS_PAGE: Final[tuple[InfoRequest[Any], ...]] = (
    PERP_DEXS,
    META,
    META_AND_ASSET_CTXS,
    CLEARINGHOUSE_STATE,
    USER_FUNDING,
    USER_NON_FUNDING_LEDGER_UPDATES,
    FUNDING_HISTORY,
    PREDICTED_FUNDINGS,
    PERPS_AT_OPEN_INTEREST_CAP,
    PERP_DEPLOY_AUCTION_STATUS,
    ACTIVE_ASSET_DATA,
    PERP_DEX_LIMITS,
    PERP_DEX_STATUS,
    ALL_PERP_METAS,
    PERP_ANNOTATION,
    PERP_CATEGORIES,
    PERP_CONCISE_ANNOTATIONS,
)
_OTHERS: Final[tuple[InfoRequest[Any], ...]] = (
    ALL_MIDS,
    L2_BOOK,
    RECENT_TRADES,
    CANDLE_SNAPSHOT,
    EXCHANGE_STATUS,
    SPOT_META,
    OPEN_ORDERS,
    FRONTEND_OPEN_ORDERS,
    ORDER_STATUS,
    USER_FILLS,
    USER_FILLS_BY_TIME,
    SPOT_CLEARINGHOUSE_STATE,
    USER_RATE_LIMIT,
    USER_FEES,
    USER_ROLE,
    EXTRA_AGENTS,
    USER_ABSTRACTION,
)
REQUESTS: Final[dict[str, InfoRequest[Any]]] = {
    request.name: request for request in (*_OWNERS_PAGE, *_OTHERS)
}
"""Every request by its name on the wire: the perpetuals page first, in its order."""
