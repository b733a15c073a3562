"""Sends prepared actions: each once, in the order given, answers taken as they come.

Nothing here signs or repeats. A batch that is several actions is sent action by action. A request
of an account is written when the one before it has been written, or has failed to be; answers are
awaited side by side. What certainly never left was refused; what got no readable answer is unclear.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from connectors.hyperliquid.answers import NotTaken, Outcomes, Unclear, clip, outcomes
from connectors.hyperliquid.common import Common
from connectors.hyperliquid.flights import Flight, Flights
from connectors.hyperliquid.signing_desk import EXCHANGE_PATH, JSON_HEADERS, bodies
from connectors.hyperliquid.verdicts import REQUESTS, Verdicts
from connectors.web import OrderedHttp
from engine.errors import NotSentError, TransportError
from engine.model.commands import Batch, Outgoing

NOT_SENT: Final = "notSent"
TOO_MANY: Final = 429


class Submitter:
    """Puts actions on the wire; beyond `in_flight_max` at once it refuses, and queues nothing."""

    def __init__(
        self, common: Common, http: OrderedHttp, flights: Flights, verdicts: Verdicts
    ) -> None:
        self._common = common
        self._http = http
        self._flights = flights
        self._verdicts = verdicts
        self._written: dict[str, asyncio.Future[None]] = {}
        self._posts: set[asyncio.Task[None]] = set()

    def send(self, outgoing: Outgoing) -> None:
        """Begin to send; what became of it goes to the sink."""
        self._common.orders.sent(outgoing.batch)
        if len(self._posts) >= self._common.settings.in_flight_max:
            text = f"{NOT_SENT}: {len(self._posts)} actions are in flight"
            batch = outgoing.batch
            self._verdicts.tell(batch.account, batch.commands, self._each(batch, NotTaken(text)))
            return
        self._common.weight.spend(outgoing.batch.ip_weight)
        flight = self._flights.depart(outgoing)
        loop = asyncio.get_running_loop()
        before = self._written.get(outgoing.account)
        written = self._written[outgoing.account] = loop.create_future()
        post = loop.create_task(self._post(flight, before, written))
        self._posts.add(post)
        post.add_done_callback(self._posts.discard)

    async def aclose(self) -> None:
        """Wait for nothing more; what is unanswered stays so."""
        posts = [*self._posts]
        for post in posts:
            post.cancel()
        await asyncio.gather(*posts, return_exceptions=True)

    async def _post(
        self, flight: Flight, before: asyncio.Future[None] | None, written: asyncio.Future[None]
    ) -> None:
        outgoing = flight.outgoing

        def on_written() -> None:
            if not written.done():
                written.set_result(None)

        told: Outcomes = ()
        try:
            if before is not None and not before.done():
                await asyncio.shield(before)
            for number, (part, body) in enumerate(bodies(outgoing)):
                if number:
                    self._common.spend_now(1)
                outcomes_of_part = await self._ask(part, body, on_written)
                self._verdicts.tell(outgoing.account, part.commands, outcomes_of_part)
                told += outcomes_of_part
        finally:
            on_written()
        unclear = [one for one in told if isinstance(one, Unclear)]
        self._flights.land(flight, is_unclear=bool(unclear))
        if unclear:
            self._common.log.warning(
                "outcome unclear",
                account=outgoing.account,
                kind=outgoing.batch.kind,
                commands=len(outgoing.batch.commands),
                nonce=outgoing.nonce,
                detail=unclear[0].detail,
            )

    async def _ask(self, part: Batch, body: bytes, on_written: Callable[[], None]) -> Outcomes:
        try:
            reply = await self._http.request(
                "POST",
                EXCHANGE_PATH,
                body=body,
                headers=JSON_HEADERS,
                timeout_s=self._common.settings.action_timeout_s,
                on_written=on_written,
            )
        except NotSentError as error:
            return self._each(part, NotTaken(clip(f"{NOT_SENT}: {error}")))
        except TransportError as error:
            return self._each(part, Unclear(clip(str(error))))
        if reply.status == TOO_MANY:
            self._common.weight.shut(self._common.settings.crowded_pause_s)
        return outcomes(reply.status, reply.body, len(part.commands), REQUESTS[part.kind])

    @staticmethod
    def _each(batch: Batch, outcome: NotTaken | Unclear) -> Outcomes:
        return (outcome,) * len(batch.commands)
