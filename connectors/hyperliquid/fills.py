"""Fills, funding and transfers of one account: each booked once, and in the order it happened.

They come over the stream, in the snapshot of every new subscription, and from requests that overlap
on purpose. A fill's key is (time, coin, tid), a tid alone is a hash that repeats. Fills of one
millisecond are put in order by the chain of positions they tell (`startPosition`). A fill's amounts
are exact integers; a row that does not fit them is quarantined.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from connectors.hyperliquid.common import Common
from connectors.hyperliquid.info import ledger
from connectors.hyperliquid.info.orders import Fill, Liquidation
from connectors.hyperliquid.numbers import nearest, scaled
from connectors.hyperliquid.reports import Reports, foreign_cloid
from connectors.hyperliquid.user_frames import UserFunding
from connectors.port import Resumption
from engine.errors import VenueError
from engine.model.events import FundingPaid, OrderFilled, Transfer
from engine.model.units import MONEY_DECIMALS, NS_PER_MS, Side

SEEN_MAX: Final = 50_000
COLLATERAL: Final = "USDC"


class Booked:
    """The keys of what was booked; the oldest are forgotten above the bound."""

    def __init__(self, keys: Iterable[tuple[object, ...]] = ()) -> None:
        self._keys: dict[tuple[object, ...], None] = dict.fromkeys(keys)

    def __contains__(self, key: tuple[object, ...]) -> bool:
        return key in self._keys

    def is_new(self, key: tuple[object, ...]) -> bool:
        """Whether the key was not there; it is from now on."""
        if key in self._keys:
            return False
        self._keys[key] = None
        if len(self._keys) > SEEN_MAX:
            del self._keys[next(iter(self._keys))]
        return True


class CashBook:
    """Books what moves one account's position and cash; `address` is in lower case.

    Rows at or before the `*_after_ms` (venue time) are history that the account's starting state
    holds. `newest_fill_ms` and `newest_funding_ms` say from where to ask for what was missed: no
    later than now, or what happens until then would be held to be read.
    """

    def __init__(self, common: Common, reports: Reports, account: str, address: str) -> None:
        self.newest_fill_ms = 0
        self.newest_funding_ms = 0
        self.fills_after_ms = 0
        self.fundings_after_ms = 0
        self.transfers_after_ms = 0
        self._common = common
        self._reports = reports
        self.account = account
        self.address = address
        self._fills = Booked()
        self._fundings = Booked()
        self._transfers = Booked()

    def resume(self, left: Resumption) -> bool:
        """Go on after an earlier run, booking nothing again; False when there was none.

        Where that run saw no fill, its last action's time, which is its nonce, takes the place.
        """
        account = self.account
        if account not in left.fills_seen_ms:
            return False
        for name, ts_ms, instrument, tid in left.fills_seen:
            if name == account:
                self._fills.is_new((ts_ms, instrument, tid))
        for name, ts_ms, instrument in left.fundings_seen:
            if name == account:
                self._fundings.is_new((ts_ms, instrument))
        overlap_ms = self._common.settings.overlap_ms
        now_ms = self._common.time.now_ms()
        self.newest_fill_ms = min(now_ms, left.fills_seen_ms[account] or left.nonce_max)
        fundings_ms = left.funding_seen_ms.get(account, 0) or left.nonce_max
        self.newest_funding_ms = min(now_ms, fundings_ms)
        self.fills_after_ms = max(0, self.newest_fill_ms - overlap_ms - 1)
        self.fundings_after_ms = max(0, self.newest_funding_ms - overlap_ms - 1)
        # Of rows of that time some may be booked already: the driver passes over those.
        transfers_ms = left.transfers_seen_ms.get(account, left.nonce_max)
        self.transfers_after_ms = min(now_ms, transfers_ms) - 1
        return True

    def begin_at(self, ts_ms: int) -> None:
        """Begin with a state of this venue time: everything before it is history."""
        self.newest_fill_ms = self.newest_funding_ms = ts_ms
        self.fills_after_ms = self.fundings_after_ms = ts_ms - 1
        self.transfers_after_ms = ts_ms

    # -- fills -------------------------------------------------------------------------------------

    def book_fills(self, fills: Sequence[Fill]) -> int:
        """Book those of the fills that are new; how many were."""
        count = 0
        for fill in in_order(fills):
            try:
                count += self._book_fill(fill)
            except VenueError as error:
                self._common.distrust("fill", error)
        return count

    def pass_over(self, fills: Iterable[Fill]) -> None:
        """Take fills as booked: the account's starting state holds them."""
        for fill in fills:
            instrument = self._common.by_coin.get(fill.coin)
            if instrument is not None:
                self._fills.is_new((fill.time_ms, instrument.id, trade_id(fill)))

    def _book_fill(self, fill: Fill) -> bool:
        instrument = self._common.by_coin.get(fill.coin)
        if instrument is None or fill.time_ms <= self.fills_after_ms:
            # Without an instrument: spot, or a dex that this link does not trade.
            return False
        self._check_time("fill", fill.time_ms)
        px_ticks = scaled(fill.px, instrument.px_decimals, "fill px")
        sz_lots = scaled(fill.sz, instrument.sz_decimals, "fill sz")
        fee_e8 = nearest(fill.fee, MONEY_DECIMALS, "fill fee")
        tid = trade_id(fill)
        if not self._fills.is_new((fill.time_ms, instrument.id, tid)):
            return False
        now_ms = self._common.time.now_ms()
        self.newest_fill_ms = max(self.newest_fill_ms, min(now_ms, fill.time_ms))
        cloid = fill.cloid if isinstance(fill.cloid, str) else None
        self._common.orders.adopt(self.account, instrument.id, cloid)
        leg = self._common.orders.find(self.account, fill.oid, cloid)
        grid = instrument.grid
        self._common.emit(
            OrderFilled(
                fill.time_ms * NS_PER_MS,
                self._common.clock.now_ns(),
                self.account,
                instrument.id,
                foreign_cloid(fill.oid) if leg is None else leg.order.cloid,
                0 if leg is None else leg.generation,
                fill.oid,
                tid,
                Side.BUY if fill.side == "B" else Side.SELL,
                px_ticks,
                sz_lots,
                grid.px(px_ticks),
                grid.sz(sz_lots),
                fee_e8,
                not fill.crossed,
                self._is_liquidation(fill),
            )
        )
        if leg is not None:
            leg.is_pending = False
            leg.filled_lots += sz_lots
            self._reports.end_ioc(leg, fill.time_ms)
        return True

    def _check_time(self, what: str, ts_ms: int) -> None:
        """Raises VenueError for a time that is not yet: all before it would be taken as read."""
        if self._common.time.is_ahead(ts_ms):
            raise VenueError(f"a {what} of the time {ts_ms}, which is not yet")

    def _is_liquidation(self, fill: Fill) -> bool:
        """The counterparty's fill names a liquidation too: only our own address counts."""
        told = fill.liquidation
        if not isinstance(told, Liquidation) or not isinstance(told.liquidated_user, str):
            return False
        return told.liquidated_user.lower() == self.address

    # -- funding and transfers ---------------------------------------------------------------------

    def book_fundings(self, rows: Iterable[UserFunding]) -> int:
        """Book those of the payments that are new; how many were."""
        count = 0
        for row in sorted(rows, key=lambda row: row.time_ms):
            try:
                count += self._book_funding(row)
            except (VenueError, ValueError) as error:
                self._common.distrust("funding", error)
        return count

    def pass_over_fundings(self, rows: Iterable[UserFunding]) -> None:
        """Take payments as booked: the account's starting state holds them."""
        for row in rows:
            self._fundings.is_new((row.time_ms, f"{self._common.venue}:{row.coin}"))

    def _book_funding(self, row: UserFunding) -> bool:
        """Cash moved whatever the coin, so a payment on another dex's coin is booked too."""
        if row.time_ms <= self.fundings_after_ms:
            return False
        self._check_time("funding", row.time_ms)
        paid_e8 = -nearest(row.usdc, MONEY_DECIMALS, "funding usdc")
        instrument = self._common.by_coin.get(row.coin)
        lots = 0 if instrument is None else scaled(row.szi, instrument.sz_decimals, "funding szi")
        rate = float(row.funding_rate)
        where = f"{self._common.venue}:{row.coin}" if instrument is None else instrument.id
        if not self._fundings.is_new((row.time_ms, where)):
            return False
        now_ms = self._common.time.now_ms()
        self.newest_funding_ms = max(self.newest_funding_ms, min(now_ms, row.time_ms))
        now_ns = self._common.clock.now_ns()
        ts_ns = row.time_ms * NS_PER_MS
        self._common.emit(FundingPaid(ts_ns, now_ns, self.account, where, paid_e8, lots, rate))
        return True

    def book_transfers(self, rows: Iterable[ledger.LedgerUpdate]) -> int:
        """Book those of the ledger's rows that are new and moved perpetuals cash."""
        count = 0
        for row in rows:
            if row.time_ms <= self.transfers_after_ms:
                continue
            try:
                count += self._book_transfer(row)
            except VenueError as error:
                self._common.distrust("ledger row", error)
        return count

    def _book_transfer(self, row: ledger.LedgerUpdate) -> bool:
        self._check_time("ledger row", row.time_ms)
        amount_e8 = transferred_e8(row.delta, self.address)
        key = row.time_ms, row.hash, repr(row.delta)
        if not amount_e8 or not self._transfers.is_new(key):
            return False
        now_ns = self._common.clock.now_ns()
        kind = type(row.delta).__name__
        ts_ns = row.time_ms * NS_PER_MS
        self._common.emit(Transfer(ts_ns, now_ns, self.account, amount_e8, kind))
        return True


def transferred_e8(delta: ledger.KnownDelta | ledger.UnknownDelta, address: str) -> int:
    """What a ledger row moved into (negative: out of) the account's perpetuals cash, in 1e-8.

    Known are deposits, withdrawals, transfers between accounts, classes and dexs, vault moves. What
    tokens did on the spot side moved no perpetuals cash, and is 0 here.
    """
    moved_in: str = "0"
    moved_out: tuple[str, ...] = ("0",)
    match delta:
        case ledger.Deposit(usdc=usdc) | ledger.VaultDistribution(usdc=usdc):
            moved_in = usdc
        case ledger.Withdraw(usdc=usdc, fee=fee):
            moved_out = usdc, fee
        case ledger.VaultDeposit(usdc=usdc) | ledger.VaultCreate(usdc=usdc):
            moved_out = (usdc,)
        case ledger.InternalTransfer(usdc=usdc, user=user, destination=destination, fee=fee):
            moved_in = usdc if destination.lower() == address else "0"
            moved_out = (usdc, fee) if user.lower() == address else ("0",)
        case ledger.SubAccountTransfer(usdc=usdc, user=user, destination=destination):
            moved_in = usdc if destination.lower() == address else "0"
            moved_out = (usdc,) if user.lower() == address else ("0",)
        case ledger.AccountClassTransfer(usdc=usdc, to_perp=to_perp):
            moved_in, moved_out = (usdc, ("0",)) if to_perp else ("0", (usdc,))
        case ledger.Send(token=token, amount=amount) if token.split(":", 1)[0] == COLLATERAL:
            is_in = delta.destination.lower() == address and not delta.destination_dex
            is_out = delta.user.lower() == address and not delta.source_dex
            moved_in = amount if is_in else "0"
            moved_out = (amount, delta.fee) if is_out else ("0",)
        case ledger.VaultWithdraw(user=user, net_withdrawn_usd=str(net)):
            moved_in = net if user.lower() == address else "0"
        case ledger.VaultLeaderCommission(user=user, usdc=usdc):
            moved_in = usdc if user.lower() == address else "0"
    return _e8(moved_in) - sum(_e8(part) for part in moved_out)


def in_order(fills: Sequence[Fill]) -> list[Fill]:
    """Fills oldest first; those of one (time, coin) by the chain of positions they tell."""
    groups: dict[tuple[int, str], list[Fill]] = {}
    for fill in sorted(fills, key=lambda fill: fill.time_ms):
        groups.setdefault((fill.time_ms, fill.coin), []).append(fill)
    return [fill for group in groups.values() for fill in _chained(group)]


def _chained(group: list[Fill]) -> list[Fill]:
    """Each fill after the one that ends where it starts; what has no place keeps its own."""
    if len(group) < 2:
        return group
    try:
        return _by_position(group)
    except VenueError:
        return group


def _by_position(group: list[Fill]) -> list[Fill]:
    starts = [_units(fill.start_position) for fill in group]
    ends = [
        start + (_units(fill.sz) if fill.side == "B" else -_units(fill.sz))
        for fill, start in zip(group, starts, strict=True)
    ]
    left = list(range(len(group)))
    at = next((one for one in left if starts[one] not in ends), left[0])
    chain: list[Fill] = []
    while left:
        left.remove(at)
        chain.append(group[at])
        at = next((one for one in left if starts[one] == ends[at]), left[0] if left else at)
    return chain


def trade_id(fill: Fill) -> int:
    """A fill's id; fills of 2023 have none, and their oid has to do."""
    return fill.tid if isinstance(fill.tid, int) else fill.oid


def _units(text: str) -> int:
    return nearest(text, MONEY_DECIMALS, "size")


def _e8(text: str) -> int:
    return nearest(text, MONEY_DECIMALS, "usdc")
