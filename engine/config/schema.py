"""What a config file may say: one Struct per section, unknown keys forbidden.

The `description` of a field is what an error says was expected there, so the rule and its wording
are one thing. Amounts of money are in the account's collateral token; rates and fractions are plain
fractions (0.00045 is 4.5 basis points).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from engine.model.units import NS_PER_MS, money_e8
from risk.limits import Limits

NAME_PATTERN = "^[A-Za-z0-9_-]+$"
URL_PATTERN = "^(https?://[^/ ]+.*)?$"
WS_PATTERN = "^(wss?://[^/ ]+.*)?$"
REFERENCE_FORMS = "env:NAME, file:PATH or keystore:PATH"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Name = Annotated[
    str, Meta(pattern=NAME_PATTERN, description="a name of letters, digits, '_' and '-'")
]
Money = Annotated[float, Meta(gt=0, description="a positive amount of money")]
Millis = Annotated[float, Meta(ge=0, description="milliseconds, 0 or more")]
Seconds = Annotated[float, Meta(gt=0, description="seconds, more than 0")]
FeeRate = Annotated[
    float,
    Meta(ge=-0.01, le=0.01, description="a fraction of the notional, such as 0.00045 for 4.5 bps"),
]
OnEnd = Literal["keep_protection", "cancel_all", "flatten"]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of every section."""


class LocalConfig(_Section, frozen=True):
    """[venues.NAME.local]: the embedded exchange of network "local"."""

    # The same seed, the same market.
    seed: Annotated[int, Meta(ge=0, description="a whole number, 0 or more")] = 1
    # The coins it lists; those of the strategies where the list is empty.
    coins: Annotated[list[str], Meta(description='a list of coins such as ["BTC"]')] = []
    # The venue's clock starts so long before a full hour, so that funding is seen soon; omitted, it
    # is the real time.
    before_hour_s: (
        Annotated[float, Meta(ge=0, le=3600, description="seconds, 0 to 3600")] | None
    ) = None
    balance: Money = 100_000.0
    # "lively" trades and moves much more than a real coin, so that a short demonstration shows all.
    activity: Literal["usual", "lively"] = "usual"


class PerpexConfig(_Section, frozen=True):
    """[venues.NAME.perpex]: what is assumed of the gateway and may be told otherwise."""

    # The base path; empty: the three that the page allows are tried once, without a token.
    rest_prefix: Annotated[str, Meta(pattern="^(/[^ ]*)?$", description='a path such as "/v1"')] = (
        ""
    )
    auth: Literal["header", "message"] = "header"
    # What a batch of n orders costs of the 120 requests a minute.
    batch_counts: Literal["n", "one"] = "n"
    # The gateway's symbols by coin, where the two differ.
    aliases: Annotated[dict[str, str], Meta(description="a table of symbols by coin")] = {}
    # Where Hyperliquid's public metadata is read for what the gateway does not say; empty: mainnet.
    reference_url: Annotated[str, Meta(pattern=URL_PATTERN, description="an http or https URL")] = (
        ""
    )
    # Levels of a book on each side.
    book_depth: Annotated[int, Meta(ge=1, le=20, description="a whole number from 1 to 20")] = 20
    # Whether a request that places orders carries its client id as an Idempotency-Key.
    idempotency_key: bool = True
    # It cannot set leverage: "refuse" takes no new risk where what is asked for cannot be verified.
    leverage: Literal["refuse", "assume"] = "refuse"


class VenueConfig(_Section, frozen=True):
    """[venues.NAME]: a venue. Its NAME starts the id of its instruments: "hl" gives "hl:BTC"."""

    kind: Literal["hyperliquid", "perpex"]
    # "local" is the embedded simulated exchange: it needs no account, key or network.
    network: Literal["mainnet", "testnet", "local"]
    # Another address than the network's own, such as that of a running `perpd venue`.
    http_url: Annotated[str, Meta(pattern=URL_PATTERN, description="an http or https URL")] = ""
    ws_url: Annotated[str, Meta(pattern=WS_PATTERN, description="a ws or wss URL")] = ""
    # An order that adds risk is refused by the venue itself when it arrives later than this.
    expires_after_ms: Annotated[int, Meta(ge=500, description="milliseconds, 500 or more")] = 5_000
    # Perpex has been proven by nobody: with real money only with this said.
    accept_unproven_gateway: bool = False
    local: LocalConfig = LocalConfig()
    perpex: PerpexConfig = PerpexConfig()


class AccountConfig(_Section, frozen=True):
    """[accounts.NAME]: an account at a venue. A backtest needs only `venue`."""

    venue: Annotated[str, Meta(description="the name of a [venues.NAME] section")]
    # The master, sub-account or vault traded for; never the address of an API wallet.
    address: Annotated[str, Meta(description="an account address, 0x and 40 hex digits")] = ""
    # Where the key (Hyperliquid) or the token (Perpex) is, never itself.
    key: Annotated[str, Meta(description=REFERENCE_FORMS)] = ""
    token: Annotated[str, Meta(description=REFERENCE_FORMS)] = ""


class SymbolConfig(_Section, frozen=True):
    """[symbols.COIN]: set at the venue, and verified, before the first order."""

    leverage: Annotated[int, Meta(ge=1, description="a whole number, 1 or more")]
    margin_mode: Literal["cross", "isolated"] = "cross"


class RiskConfig(_Section, frozen=True):
    """[risk]: the operator's own limits. The venue's limits always hold beside them."""

    # The largest value of one order; without it there is no such limit.
    order_notional_max: Money | None = None
    # The largest position on one instrument, resting and unknown orders taken as filled.
    position_notional_max: Money | None = None
    # How far from the mark price an order may be, as a fraction.
    price_distance_max: Annotated[
        float, Meta(gt=0, le=1, description="a fraction above 0 and at most 1")
    ] = 0.2
    # No order that adds risk is priced from data older than this.
    data_age_ms_max: Annotated[int, Meta(gt=0, description="a whole number of ms above 0")] = 15_000
    leverage_max: Annotated[int, Meta(ge=1, description="a whole number, 1 or more")] | None = None
    open_orders_max: Annotated[int, Meta(ge=1, description="a whole number, 1 or more")] = 1_000

    def limits(self) -> Limits:
        """These limits in the gate's units; a limit that is not set is 0 there."""
        return Limits(
            order_notional_max_e8=money_e8(self.order_notional_max or 0.0),
            position_notional_max_e8=money_e8(self.position_notional_max or 0.0),
            leverage_max=self.leverage_max or 0,
            open_orders_max=self.open_orders_max,
            price_distance_max=self.price_distance_max,
            data_age_ns_max=self.data_age_ms_max * NS_PER_MS,
        )


class StrategyConfig(_Section, frozen=True):
    """[[strategies]]: one running strategy. A class may run several times, under other names."""

    name: Name
    use: Annotated[
        str,
        Meta(
            min_length=1,
            description="an installed strategy's name, 'package.module:Class' or './file.py:Class'",
        ),
    ]
    account: Annotated[str, Meta(description="the name of an [accounts.NAME] section")]
    symbols: Annotated[
        list[str] | Literal["all"], Meta(description='a list of coins such as ["BTC"], or "all"')
    ]
    # Accounts on other venues that it trades too; symbols there are written as "VENUE:COIN".
    also: Annotated[list[str], Meta(description="a list of [accounts.NAME] sections")] = []
    # Checked against the strategy's own `Params`.
    params: Annotated[dict[str, Any], Meta(description="a table of parameters")] = {}
    # "keep_protection" cancels its orders that add risk and keeps its reduce-only stops.
    on_stop: OnEnd = "keep_protection"
    on_fault: OnEnd = "keep_protection"


class FeesConfig(_Section, frozen=True):
    """[backtest.fees]: positive is a cost, negative a rebate. Defaults: Hyperliquid's base tier."""

    maker: FeeRate = 0.00015
    taker: FeeRate = 0.00045


class LatencyConfig(_Section, frozen=True):
    """[backtest.latency]: venue to engine, engine to venue, and the venue's reports back."""

    feed_ms: Millis = 50.0
    order_ms: Millis = 150.0
    report_ms: Millis = 50.0
    # Up to so much is added to orders and reports, drawn from a generator seeded with `seed`.
    jitter_ms: Millis = 0.0
    seed: Annotated[int, Meta(ge=0, description="a whole number, 0 or more")] = 0


class BacktestConfig(_Section, frozen=True):
    """[backtest]: the market data and the models of a backtest."""

    # Tape folders, relative to the config file.
    data: Annotated[list[str] | str, Meta(description="a tape folder, or a list of them")]
    # UTC; omitted means from the first, or to the last, event of the data. `end` is exclusive.
    start: str = ""
    end: str = ""
    starting_balance: Money = 100_000.0
    fees: FeesConfig = FeesConfig()
    latency: LatencyConfig = LatencyConfig()
    # How a resting order's place in the queue is modelled; "auto" takes the best the data allows.
    queue: Literal["auto", "trades", "cross"] = "auto"
    funding: Literal["tape", "none"] = "tape"
    # The spread assumed around bars and trades where the data has no book.
    half_spread_bps: Annotated[float, Meta(ge=0, description="basis points, 0 or more")] = 1.0
    driver: Literal["auto", "reference", "chunked"] = "auto"

    @property
    def folders(self) -> tuple[str, ...]:
        """`data` as a tuple, as written in the file."""
        return (self.data,) if isinstance(self.data, str) else tuple(self.data)

    @property
    def start_ns(self) -> int | None:
        """`start` in ns UTC, or None where the file does not say."""
        return utc_ns(self.start) if self.start else None

    @property
    def end_ns(self) -> int | None:
        """`end` in ns UTC, or None where the file does not say."""
        return utc_ns(self.end) if self.end else None


class DaemonConfig(_Section, frozen=True):
    """[daemon]: what a long-running process needs."""

    # The folder of the journal, relative to the config file.
    journal: Annotated[str, Meta(min_length=1, description="a folder")] = "journal"
    # Where the report of a run goes; empty: nowhere.
    report: Annotated[str, Meta(description="a folder")] = ""
    # How often positions and cash are compared with the venue's, open orders, fills and funding
    # gone through, and the venue's metadata read again.
    account_every_s: Seconds = 5.0
    orders_every_s: Seconds = 120.0
    contexts_every_s: Seconds = 60.0
    metadata_every_s: Seconds = 600.0
    budget_every_s: Seconds = 60.0
    # How long the end of a run waits for the venue's word on the last orders.
    stop_timeout_s: Seconds = 15.0


class Config(_Section, frozen=True):
    """A whole config file."""

    venues: dict[str, VenueConfig]
    accounts: dict[str, AccountConfig]
    strategies: list[StrategyConfig]
    symbols: dict[str, SymbolConfig] = {}
    risk: RiskConfig = RiskConfig()
    backtest: BacktestConfig | None = None
    daemon: DaemonConfig = DaemonConfig()


def utc_ns(text: str) -> int:
    """An ISO 8601 date or date-time in ns UTC; one without an offset is UTC.

    Raises ValueError when it is not one.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000
