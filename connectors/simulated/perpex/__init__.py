"""The venue's Perpex face: REST and WebSocket in the assumed wire form (protocol 9.4), one port.

Nothing here comes from `connectors.perpex`: the wire is written twice, so that a mistake in one
shows against the other. The face holds connections, tokens and counts of requests; the market and
the accounts are the core's, the same ones that the Hyperliquid face trades.
"""
