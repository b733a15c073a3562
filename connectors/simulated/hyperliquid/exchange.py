"""`POST /exchange`: from the bytes of a signed action to the venue's answer (protocol 2, 3).

In this order: form, IP weight, signer, vault, nonce, expiry, size of the batch, address budget,
and only then the action. A refusal is an answer of status 200; what is malformed is 422 in plain
text, and too much for one address of callers is 429.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from connectors.simulated.accounts import VenueAccount
from connectors.simulated.core import VenueCore
from connectors.simulated.hyperliquid.actions import Actions, refused
from connectors.simulated.hyperliquid.limits import (
    EXPIRED_COST,
    TOO_MANY,
    AddressBudget,
    IpWeights,
    action_weight,
)
from connectors.simulated.hyperliquid.nonces import NonceBook
from connectors.simulated.hyperliquid.replies import UNREADABLE, Reply
from connectors.simulated.hyperliquid.signers import Envelope, Signers
from connectors.simulated.settings import VenueSettings

EXPIRED: Final = "Action already expired"
_CANCELS: Final = frozenset({"cancel", "cancelByCloid", "scheduleCancel"})


class ExchangeHandler:
    """Answers signed actions. `budget` is shared with `/info`, which shows it."""

    def __init__(
        self, core: VenueCore, settings: VenueSettings, weights: IpWeights, budget: AddressBudget
    ) -> None:
        self._core = core
        self._settings = settings
        self._weights = weights
        self._budget = budget
        self._actions = Actions(core, settings)
        self._signers = Signers(core)
        self._nonces = NonceBook()

    async def answer(self, payload: object, ip: str) -> Reply:
        """The answer to one envelope, given as decoded JSON."""
        if self._settings.order_delay_s:
            await asyncio.sleep(self._settings.order_delay_s)
        return self.answer_now(payload, ip)

    def answer_now(self, payload: object, ip: str) -> Reply:
        """The same, without the time it takes to arrive."""
        read = self._read(payload)
        if read is None:
            return UNREADABLE
        envelope, action = read
        length = self._actions.length(action)
        if not self._weights.of(ip).spend(action_weight(length)):
            return Reply(429, TOO_MANY)
        signer = self._signers.find(envelope)
        if signer.account is None:
            return Reply(200, refused(signer.error))
        reason = self._refusal(envelope, signer.address, signer.account, length)
        if reason:
            return Reply(200, refused(reason))
        return Reply(200, self._actions.carry_out(envelope.action["type"], signer.account, action))

    def _read(self, payload: object) -> tuple[Envelope, object] | None:
        """The envelope and the action in it; None when it has not the documented form."""
        try:
            envelope = msgspec.convert(payload, Envelope)
            if not isinstance(envelope.action.get("type"), str) or envelope.nonce < 0:
                return None
            action = self._actions.decode(envelope.action)
        except (msgspec.MsgspecError, ValueError):
            return None
        return None if action is None else (envelope, action)

    def _refusal(self, envelope: Envelope, signer: str, account: VenueAccount, length: int) -> str:
        """Why a signed action is refused before it is looked at; "" when it is not."""
        if envelope.vault_address is not None:
            return f"Vault not registered: {envelope.vault_address.lower()}"
        now_ms = self._core.clock.now_ms()
        reason = self._nonces.use(signer, envelope.nonce, now_ms)
        if reason:
            return reason
        is_cancel = envelope.action["type"] in _CANCELS
        if envelope.expires_after is not None and envelope.expires_after < now_ms:
            cost = EXPIRED_COST * length
            return self._budget.spend(account, cost, is_cancel=is_cancel) or EXPIRED
        most = self._settings.limits.action_weight
        if length > most:
            return f"Signed action over weight limit of {most}."
        return self._budget.spend(account, length, is_cancel=is_cancel)


def action_type(payload: object) -> str:
    """The type of an action or info request in decoded JSON, for faults; "" when it has none."""
    if not isinstance(payload, dict):
        return ""
    action = payload.get("action", payload)
    kind = action.get("type") if isinstance(action, dict) else None
    return kind if isinstance(kind, str) else ""
