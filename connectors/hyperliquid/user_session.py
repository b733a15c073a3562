"""The stream of one account: its orders, fills, funding and transfers, complete or not ready.

Order updates are not replayed after a gap, and nothing says what was missed. So a new connection
is *up*, and *ready* only when its subscriptions are confirmed, the snapshot of fills has come, and
open orders, balances, fills, funding and ledger were read after that and merged. Frames that come
while this goes on wait for the first reading, so that events stay in the order of happening; when
it fails they are passed on, and it is tried again. Order updates do not say whose they are: one
account, one connection.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from connectors.hyperliquid.common import Common
from connectors.hyperliquid.fills import CashBook
from connectors.hyperliquid.frames import (
    ErrorFrame,
    SubscriptionFrame,
    ledger_rows,
)
from connectors.hyperliquid.reconcile import Reconciler
from connectors.hyperliquid.reports import Reports
from connectors.hyperliquid.settings import PING
from connectors.hyperliquid.settle import Settler
from connectors.hyperliquid.subscriptions import Subscriptions
from connectors.hyperliquid.user_frames import (
    LedgerFrame,
    OrderUpdatesFrame,
    UserFillsFrame,
    UserFundingsFrame,
)
from connectors.stream import Network, Stream, StreamSettings
from engine.errors import PerpdError, TransportError, VenueError
from engine.model.events import StreamPhase

HELD_MAX: Final = 20_000
CHANNELS: Final = ("orderUpdates", "userFills", "userFundings", "userNonFundingLedgerUpdates")
_SNAPSHOTS: Final = frozenset({"userFills"})


class UserSession:
    """Keeps one account's stream. `open` makes the first connection and leaves frames held."""

    def __init__(
        self,
        common: Common,
        network: Network,
        ws_url: str,
        reconciler: Reconciler,
        reports: Reports,
        settler: Settler,
    ) -> None:
        self.account = reconciler.account
        self.reconciler = reconciler
        self._settler = settler
        self._common = common
        self._reports = reports
        self._cash: CashBook = reconciler.cash
        self._name = f"{common.venue} account"
        settings = common.settings
        self.stream = Stream(
            StreamSettings(
                name=f"{common.venue} {self.account}",
                url=ws_url,
                silent_s_max=settings.silent_s_max,
                ping=PING,
                ping_every_s=settings.ping_every_s,
                backoff=settings.stream_backoff,
            ),
            self,
            network,
        )
        user = reconciler.address
        self._subscriptions = Subscriptions([{"type": one, "user": user} for one in CHANNELS])
        self._held: list[Any] | None = []
        self._snapshots: set[str] = set()
        self._has_snapshots = asyncio.Event()
        self._is_open = False
        self._was_lost = False
        self._opened = asyncio.Event()
        self._merging: asyncio.Task[None] | None = None

    # -- opening and closing -----------------------------------------------------------------------

    def start(self) -> None:
        """Begin to connect."""
        self._tell(StreamPhase.DOWN)
        self.stream.start()

    async def connected(self, timeout_s: float) -> None:
        """Wait until a connection is subscribed and its snapshots have come.

        Raises TransportError when that takes longer.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._opened.wait()
        except TimeoutError:
            raise TransportError(
                f"no stream of account {self.account} in {timeout_s:g} s"
            ) from None

    def release(self) -> None:
        """The driver has the account's state: from now on it hears what is newer.

        What happened between two connections is in neither, and may not be in that state. A
        connection that is not confirmed yet merges when it is.
        """
        self._is_open = True
        if not self._opened.is_set():
            return
        if not self._was_lost and self._let_go():
            self._tell(StreamPhase.READY)
        else:
            self._begin_merge()

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stop_merge()
        await self.stream.aclose()

    # -- the stream --------------------------------------------------------------------------------

    async def on_up(self) -> None:
        """Subscribe, and merge what was missed."""
        self._tell(StreamPhase.UP)
        if self._held is None:
            self._held = []
        self._snapshots.clear()
        self._has_snapshots.clear()
        await self._subscriptions.make(self.stream)
        await self._subscribed()
        if self._is_open:
            self._begin_merge()
        else:
            self._opened.set()

    def on_down(self, reason: str) -> None:
        """Whatever was held is still true; nothing new is known until the next merge."""
        self._opened.clear()
        if self._merging is not None:
            self._merging.cancel()
            self._merging = None
        self._was_lost = True
        if self._is_open:
            self._let_go()
            self._tell(StreamPhase.DOWN)
        self._common.log.warning("account stream lost", account=self.account, reason=reason)

    def on_frame(self, frame: str | bytes, ts_local_ns: int) -> None:
        """Take one frame."""
        del ts_local_ns
        heard = self._common.decoder.decode(frame)
        if heard is None:
            return
        if isinstance(heard, SubscriptionFrame | ErrorFrame):
            self._subscriptions.hear(heard)
            if isinstance(heard, ErrorFrame):
                self._common.log.warning("refused", account=self.account, text=heard.data[:200])
            return
        if isinstance(heard, UserFillsFrame) and heard.data.is_snapshot:
            self._snapshots.add("userFills")
            if self._snapshots >= _SNAPSHOTS:
                self._has_snapshots.set()
        if self._held is None:
            self._take(heard)
        elif len(self._held) < HELD_MAX:
            self._held.append(heard)
        else:
            self.stream.drop(f"{HELD_MAX} frames are waiting")

    async def _subscribed(self) -> None:
        timeout_s = self._common.settings.ack_timeout_s
        await self._subscriptions.confirmed(timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                await self._has_snapshots.wait()
        except TimeoutError:
            raise TransportError(f"no snapshot of fills within {timeout_s:g} s") from None

    # -- merging -----------------------------------------------------------------------------------

    def _begin_merge(self) -> None:
        if self._merging is None and self.stream.is_up:
            self._merging = asyncio.create_task(self._merge(), name=f"merge {self.account}")

    async def _stop_merge(self) -> None:
        merging, self._merging = self._merging, None
        if merging is not None:
            merging.cancel()
            await asyncio.gather(merging, return_exceptions=True)

    async def _merge(self) -> None:
        """Read until it succeeds, then be ready."""
        tries = 0
        while not await self._is_read(tries + 1):
            tries += 1
            backoff = self._common.settings.settle_backoff
            await asyncio.sleep(backoff.wait_s(tries, self._common.randomness))
        self._merging = None
        self._common.log.info("account ready", account=self.account)
        self._tell(StreamPhase.READY)

    async def _is_read(self, tries: int) -> bool:
        """Read once, and pass on what was held meanwhile; whether nothing of it is missing."""
        log = self._common.log
        try:
            await self.reconciler.catch_up(self._settler)
        except PerpdError as error:
            log.warning("account not read", account=self.account, tries=tries, reason=str(error))
        except Exception:  # a mistake of ours must not end the reading either
            log.exception("account not read", account=self.account, tries=tries)
        else:
            return self._let_go()
        self._let_go()
        return False

    def _let_go(self) -> bool:
        """Pass on what was held, in the order it came; whether all of it could be.

        What one frame raises must not cost the others, nor the next connection: the next reading
        finds what it told.
        """
        held, self._held = self._held, None
        is_whole = True
        for frame in held or ():
            try:
                self._take(frame)
            except Exception:
                is_whole = False
                self._common.log.exception("held frame not told", account=self.account)
        return is_whole

    def _take(self, frame: Any) -> None:  # noqa: ANN401 - a frame of any channel
        try:
            if isinstance(frame, OrderUpdatesFrame):
                for update in frame.data:
                    self._reports.update(
                        self.account, update.order, update.status, update.status_timestamp_ms
                    )
            elif isinstance(frame, UserFillsFrame) and self._is_ours(frame.data.user):
                self._cash.book_fills(frame.data.fills)
            elif isinstance(frame, UserFundingsFrame) and self._is_ours(frame.data.user):
                self._cash.book_fundings(frame.data.fundings)
            elif isinstance(frame, LedgerFrame) and self._is_ours(frame.data.user):
                self._cash.book_transfers(ledger_rows(frame) or ())
        except VenueError as error:
            self._common.distrust(type(frame).__name__, error)

    def _is_ours(self, user: str) -> bool:
        return user.lower() == self.reconciler.address

    def _tell(self, phase: StreamPhase) -> None:
        self._common.stream(self._name, phase, account=self.account)
