"""Whether a key can trade the account it was given for: found out before anything is armed.

The key is the account's own, or an agent's of the account, or an agent's of the master of the
sub-account or vault that is to be traded. On mainnet the master's own key is refused: it can
withdraw, an agent cannot. A signed noop, which changes nothing, proves the rest (protocol 3.6).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import msgspec

from connectors.hyperliquid.answers import Outcome, Refused, Success
from connectors.hyperliquid.common import Common
from connectors.hyperliquid.info.account import UserRole
from connectors.hyperliquid.info.client import InfoClient
from connectors.hyperliquid.keys import Signer
from connectors.hyperliquid.refusals import refusal_kind
from connectors.hyperliquid.sign import keccak, recover_address
from engine.errors import CredentialsError, TransportError

FOREIGN_MODES: Final = frozenset({"unifiedAccount", "portfolioMargin"})
EXPIRY_WARNING_MS: Final = 7 * 24 * 3600 * 1000
_CROWDED: Final = "cumulative_requests"
_PROBE: Final = keccak(b"perpd preflight")


class Credential(NamedTuple):
    """How an account is traded: `address` in lower case, who signs, and for whom if not itself."""

    account: str
    address: str
    signer: Signer | None
    vault_address: str | None = None
    warnings: tuple[str, ...] = ()


Noop = Callable[[Credential], Awaitable[Outcome]]


class Preflight:
    """Checks credentials; raises CredentialsError with what is wrong and what would be right."""

    def __init__(self, common: Common, info: InfoClient, *, is_mainnet: bool, noop: Noop) -> None:
        self._common = common
        self._info = info
        self._is_mainnet = is_mainnet
        self._noop = noop

    async def check(self, account: str, address: str, signer: Signer | None) -> Credential:
        """The credential of an account, complete. Also raises TransportError and VenueError."""
        address = address.lower()
        await self._check_mode(account, address)
        if signer is None:
            warning = f"account {account} has no key: it is watched, and cannot trade"
            return Credential(account, address, None, warnings=(warning,))
        if recover_address(_PROBE, *(signer.sign(_PROBE).numbers() or (0, 0, 0))) != signer.address:
            raise CredentialsError(f"account {account}: the key's signatures are not its own")
        if signer.address == address:
            credential = await self._own_key(account, address, signer)
        else:
            credential = await self._other_key(account, address, signer)
        return await self._prove(credential)

    async def _check_mode(self, account: str, address: str) -> None:
        mode = await self._info.user_abstraction(address)
        if mode in FOREIGN_MODES:
            raise CredentialsError(
                f"account {account} is in {mode} mode, in which the venue's perpetuals figures are"
                " not its equity; expected a standard account"
            )

    async def _own_key(self, account: str, address: str, signer: Signer) -> Credential:
        role = await self._info.user_role(address)
        if role.role == "agent":
            raise CredentialsError(
                f"account {account}: {address} is an agent, expected the address it trades for"
                f" ({_of(role)})"
            )
        if self._is_mainnet:
            raise CredentialsError(
                f"account {account}: the key is the account's own, which could withdraw; expected"
                " the key of an agent (API wallet)"
            )
        return Credential(account, address, signer)

    async def _other_key(self, account: str, address: str, signer: Signer) -> Credential:
        """An agent's key, or a master's for its sub-account."""
        role = await self._info.user_role(signer.address)
        if role.role == "agent":
            master = _of(role)
        elif self._is_mainnet or role.role == "missing":
            raise CredentialsError(
                f"account {account}: the key's address {signer.address} is {role.role!r} at the"
                f" venue, expected an agent of {address}"
            )
        else:
            master = signer.address
        vault_address = None
        if master != address:
            await self._check_belongs(account, address, master)
            vault_address = address
        warnings = await self._expiry(master, signer) if role.role == "agent" else ()
        return Credential(account, address, signer, vault_address, warnings)

    async def _check_belongs(self, account: str, address: str, master: str) -> None:
        """A sub-account must be the master's; whose a vault is shows with the noop."""
        role = await self._info.user_role(address)
        is_sub_account = role.role == "subAccount" and _of(role) == master
        if not is_sub_account and role.role != "vault":
            raise CredentialsError(
                f"account {account}: the key trades for {master}, expected a key for {address}"
            )

    async def _expiry(self, master: str, signer: Signer) -> tuple[str, ...]:
        """Unnamed agents are not listed, and say nothing of their end."""
        for agent in await self._info.extra_agents(master):
            if agent.address.lower() != signer.address or agent.valid_until_ms is None:
                continue
            left_ms = agent.valid_until_ms - self._common.time.now_ms()
            if left_ms <= 0:
                raise CredentialsError(
                    f"agent {agent.name!r} ({signer.address}) has expired; approve it again"
                )
            if left_ms <= EXPIRY_WARNING_MS:
                hours = left_ms // 3_600_000
                return (f"agent {agent.name!r} ({signer.address}) expires in {hours} hours",)
        return ()

    async def _prove(self, credential: Credential) -> Credential:
        outcome = await self._noop(credential)
        if isinstance(outcome, Success):
            return credential
        if isinstance(outcome, Refused):
            if refusal_kind(outcome.text) == _CROWDED:
                warnings = (*credential.warnings, f"out of actions: {outcome.text}")
                return credential._replace(warnings=warnings)
            raise CredentialsError(
                f"account {credential.account}: the venue refused a signed noop: {outcome.text}"
            )
        raise TransportError(f"account {credential.account}: a signed noop got {outcome}")


def _of(role: UserRole) -> str:
    """Whom an agent acts for, or whose a sub-account is, in lower case; empty when not told."""
    data = role.data
    if data is None or isinstance(data, msgspec.UnsetType):
        return ""
    for one in (data.user, data.master):
        if isinstance(one, str):
            return one.lower()
    return ""
