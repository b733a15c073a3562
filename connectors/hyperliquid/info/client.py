"""The client of every info request: `InfoClient(http)`, one typed method per request.

Methods about the venue and its markets are in `public_methods`, those about an account in
`account_methods`; both ask through `caller`.
"""

from __future__ import annotations

from connectors.hyperliquid.info.account_methods import AccountMethods
from connectors.hyperliquid.info.public_methods import PublicMethods


class InfoClient(PublicMethods, AccountMethods):
    """Every info request of `connectors.hyperliquid.info.requests` as a method."""
