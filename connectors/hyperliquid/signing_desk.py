"""Makes batches into signed bytes: whose key signs, with which nonce, and until when it holds.

What may add risk (an order or modify that is not reduce-only, a leverage) expires a few seconds of
venue time after it was made, so that a late delivery does nothing. Cancels and pure reduces never
expire: they are wanted whenever they arrive.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from connectors.hyperliquid.actions import NoopAction
from connectors.hyperliquid.answers import Outcome, Request, outcomes
from connectors.hyperliquid.batches import from_batch, split
from connectors.hyperliquid.common import Common
from connectors.hyperliquid.envelope import sealed
from connectors.hyperliquid.keys import Signer
from connectors.hyperliquid.nonces import Nonces
from connectors.hyperliquid.preflight import Credential
from connectors.web import OrderedHttp
from engine.errors import CredentialsError
from engine.model.commands import (
    Batch,
    CancelOrder,
    Command,
    OrderNote,
    Outgoing,
    UpdateLeverage,
)

EXCHANGE_PATH: Final = "/exchange"
JSON_HEADERS: Final = {"Content-Type": "application/json"}
_BETWEEN: Final = b"\n"


class SigningDesk:
    """Signs for the accounts of one link. Nonces are one row per signer (protocol 3.5)."""

    def __init__(self, common: Common, http: OrderedHttp, *, is_mainnet: bool) -> None:
        self._common = common
        self._http = http
        self._is_mainnet = is_mainnet
        self._credentials: dict[str, Credential] = {}
        self._nonces: dict[str, Nonces] = {}
        self._high_water = 0

    def begin_above(self, nonce: int) -> None:
        """Give only nonces above this one."""
        self._high_water = max(self._high_water, nonce)
        for nonces in self._nonces.values():
            nonces.raise_to(nonce)

    def admit(self, credential: Credential) -> None:
        """Sign for this account from now on."""
        self._credentials[credential.account] = credential

    def prepare(self, batch: Batch, notes: tuple[OrderNote, ...]) -> Outgoing:
        """A batch as exact bytes; `bodies` takes them apart where it is more than one action.

        The nonce is the highest of them: only cancels and leverages, which make no orders, are ever
        more than one. Raises CredentialsError for an account that has no key.
        """
        common = self._common
        credential, signer = self._signer(batch.account)
        nonces = self._nonces_of(signer)
        expires_ms = 0
        if may_add_risk(batch.commands):
            expires_ms = common.time.now_ms() + common.settings.expires_after_ms
        made = []
        for part in split(batch):
            action = from_batch(part, common.instruments)
            signed = sealed(
                action,
                nonces.next(),
                signer,
                is_mainnet=self._is_mainnet,
                vault_address=credential.vault_address,
                expires_after_ms=expires_ms or None,
            )
            made.append(signed)
        body = made[0] if len(made) == 1 else _BETWEEN.join(made)
        nonce = nonces.high_water
        return Outgoing(common.venue, batch.account, batch, nonce, body, expires_ms, notes)

    async def noop(self, credential: Credential) -> Outcome:
        """Send a signed noop with a nonce of its own. Raises TransportError."""
        signer = credential.signer
        assert signer is not None
        return await self._send_noop(credential, signer, self._nonces_of(signer).next())

    async def burn(self, outgoing: Outgoing) -> Outcome:
        """Send a noop with an action's own nonce. Raises TransportError."""
        credential, signer = self._signer(outgoing.account)
        return await self._send_noop(credential, signer, outgoing.nonce)

    async def _send_noop(self, credential: Credential, signer: Signer, nonce: int) -> Outcome:
        body = sealed(
            NoopAction(),
            nonce,
            signer,
            is_mainnet=self._is_mainnet,
            vault_address=credential.vault_address,
        )
        self._common.spend_now(1)
        reply = await self._http.request(
            "POST",
            EXCHANGE_PATH,
            body=body,
            headers=JSON_HEADERS,
            timeout_s=self._common.settings.action_timeout_s,
        )
        return outcomes(reply.status, reply.body, 1, Request.PLAIN)[0]

    def _signer(self, account: str) -> tuple[Credential, Signer]:
        credential = self._credentials.get(account)
        if credential is None or credential.signer is None:
            raise CredentialsError(f"account {account} has no key, expected one to sign with")
        return credential, credential.signer

    def _nonces_of(self, signer: Signer) -> Nonces:
        nonces = self._nonces.get(signer.address)
        if nonces is None:
            nonces = Nonces(self._common.time, high_water=self._high_water)
            self._nonces[signer.address] = nonces
        return nonces


def bodies(outgoing: Outgoing) -> Iterable[tuple[Batch, bytes]]:
    """Each action of an outgoing batch, as its part of the commands and its exact bytes."""
    batch = outgoing.batch
    parts = split(batch)
    if len(parts) == 1:
        return ((batch, outgoing.body),)
    return zip(parts, outgoing.body.split(_BETWEEN), strict=True)


def may_add_risk(commands: Iterable[Command]) -> bool:
    """Whether any command could enlarge a position, or change what one may be."""
    for command in commands:
        if isinstance(command, UpdateLeverage):
            return True
        if not isinstance(command, CancelOrder) and not command.reduce_only:
            return True
    return False
