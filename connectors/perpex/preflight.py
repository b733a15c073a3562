"""What a key may do, found out before the first order: reads by reading, writes by harmless tries.

The page says that a key's permissions can be chosen, not what they are called. A batch of no orders
and the cancel of an order that cannot exist change nothing; a 403 to one of them says that the key
lacks the permission. Any other refusal proves nothing, and is let pass.
"""

from __future__ import annotations

from typing import Final

from connectors.perpex.mapping import names
from connectors.perpex.mapping.names import Verdict
from connectors.perpex.mapping.read import Fault
from connectors.perpex.rest import NotSent, Outcome, PerpexRest
from engine.errors import CredentialsError

NO_SUCH_ORDER: Final = "perpd-preflight"
_PROBES: Final = (
    ("place orders", "POST", names.ORDERS_BATCH, b'{"orders":[]}'),
    ("cancel orders", "DELETE", f"{names.ORDERS}/{NO_SUCH_ORDER}", None),
)


async def check_permissions(rest: PerpexRest, account: str, now_ms: int) -> None:
    """Raises CredentialsError that names everything the key may not do.

    Raises TransportError or VenueError when it cannot be found out.
    """
    missing: list[str] = []
    for what, read in (("read the account", rest.account), ("read trades", None)):
        try:
            if read is None:
                await rest.fills(start_ms=now_ms)
            else:
                await read()
        except CredentialsError as error:
            missing.append(f"{what} ({error})")
    for what, method, path, body in _PROBES:
        outcome = await rest.may(method, path, body)
        if _is_denied(outcome):
            missing.append(f"{what} ({method} {path}: {_detail(outcome)})")
    if missing:
        raise CredentialsError(
            f"account {account}: the Perpex key may not {'; nor '.join(missing)}"
        )


def _is_denied(outcome: Outcome) -> bool:
    denied = {Verdict.UNAUTHORIZED, Verdict.FORBIDDEN}
    return isinstance(outcome, Fault) and outcome.verdict in denied


def _detail(outcome: Outcome) -> str:
    if isinstance(outcome, Fault):
        return f"HTTP {outcome.status} {outcome.code}".rstrip()
    return outcome.detail if isinstance(outcome, NotSent) else ""
