"""Actions that change who may do what, and those this venue has not (protocol 2.1, 3.6).

Each gives why it is refused, in the venue's words where they are known; "" when it was done.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from connectors.simulated.accounts import Agent, VenueAccount, is_address
from connectors.simulated.core import VenueCore

AGENT_DAYS: Final = 90
AGENT_DAYS_MAX: Final = 180
DAY_MS: Final = 86_400_000
NAME_MAX: Final = 16
NOBODY: Final = "0x" + "0" * 40
BUILDERS_MAX: Final = 10
_UNTIL: Final = re.compile(r"^(?P<name>.*?) ?valid_until (?P<until>\d{1,15})$")


class ApproveAgent(msgspec.Struct, frozen=True):
    """An agent by address and name; "name valid_until MS" says until when."""

    agentAddress: str  # noqa: N815 - the wire's name
    agentName: str | None = None  # noqa: N815 - the wire's name


class ApproveBuilderFee(msgspec.Struct, frozen=True):
    """A builder and the highest fee it may take, such as "0.001%"."""

    maxFeeRate: str  # noqa: N815 - the wire's name
    builder: str


class SetAbstraction(msgspec.Struct, frozen=True):
    """How an account's balances are joined."""

    user: str
    abstraction: str


class Anything(msgspec.Struct, frozen=True):
    """An action whose fields do not matter, because it is refused."""


def approve_agent(core: VenueCore, account: VenueAccount, action: ApproveAgent) -> str:
    """Let an agent act for the account, or none any more by this name."""
    address = action.agentAddress.lower()
    if not is_address(address):
        return "Invalid agent address."
    name, until_ms = _named(action.agentName or "", core.clock.now_ms())
    if len(name) > NAME_MAX:
        return "Agent name is too long."
    if until_ms <= core.clock.now_ms():
        return "Agent valid_until already expired."
    if address == NOBODY:
        core.revoke_agent(account, name)
        return ""
    return core.approve_agent(account, Agent(address, name, until_ms))


def approve_builder_fee(core: VenueCore, account: VenueAccount, action: ApproveBuilderFee) -> str:  # noqa: ARG001 - one signature for all
    """Remember a builder. Its fee is never charged here."""
    if not is_address(action.builder):
        return "Invalid builder address."
    if len(account.builders) >= BUILDERS_MAX and action.builder.lower() not in account.builders:
        return "Too many approved builders."
    account.builders[action.builder.lower()] = action.maxFeeRate
    return ""


def set_abstraction(core: VenueCore, account: VenueAccount, action: SetAbstraction) -> str:  # noqa: ARG001 - one signature for all
    """Only the mode this venue has."""
    if action.abstraction not in {"disabled", "default"}:
        return "Only accounts without abstraction exist on this venue."
    account.abstraction = action.abstraction
    return ""


def _not_here(text: str) -> Callable[[VenueCore, VenueAccount, Any], str]:
    return lambda _core, _account, _action: text


def _margin(core: VenueCore, account: VenueAccount, action: Any) -> str:  # noqa: ANN401 - any asset
    asset = getattr(action, "asset", -1)
    if 0 <= asset < len(core.universe) and not core.leverage(account, core.universe[asset])[1]:
        return "Isolated margin follows leverage on this venue."
    return "Position does not use isolated margin."


class IsolatedMargin(msgspec.Struct, frozen=True):
    """More or less margin for one asset."""

    asset: int


Carry = Callable[[VenueCore, VenueAccount, Any], str]
_MONEY: Final = (Anything, _not_here("Transfers are not available on this venue."))
_TWAP: Final = (Anything, _not_here("TWAP orders are not available on this venue."))

KINDS: Final[dict[str, tuple[type[Any], Carry]]] = {
    "approveAgent": (ApproveAgent, approve_agent),
    "approveBuilderFee": (ApproveBuilderFee, approve_builder_fee),
    "userSetAbstraction": (SetAbstraction, set_abstraction),
    "agentSetAbstraction": (Anything, _not_here("Account abstraction cannot be set by an agent.")),
    "setReferrer": (Anything, _not_here("Referral codes are not available on this venue.")),
    "updateIsolatedMargin": (IsolatedMargin, _margin),
    "topUpIsolatedOnlyMargin": (IsolatedMargin, _margin),
    "twapOrder": _TWAP,
    "twapCancel": _TWAP,
    "usdClassTransfer": _MONEY,
    "usdSend": _MONEY,
    "spotSend": _MONEY,
    "sendAsset": _MONEY,
    "agentSendAsset": _MONEY,
    "withdraw3": _MONEY,
    "vaultTransfer": _MONEY,
    "subAccountTransfer": _MONEY,
    "createSubAccount": (Anything, _not_here("Sub-accounts are not available on this venue.")),
    "reserveRequestWeight": (
        Anything,
        _not_here("Request weight cannot be bought on this venue."),
    ),
}


def _named(text: str, now_ms: int) -> tuple[str, int]:
    """The name an agent goes by, and until when (venue ms)."""
    match = _UNTIL.match(text)
    if match is None:
        return text, now_ms + AGENT_DAYS * DAY_MS
    until_ms = int(match["until"])
    return match["name"], min(until_ms, now_ms + AGENT_DAYS_MAX * DAY_MS)
