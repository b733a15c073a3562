"""The Hyperliquid face: `/info`, `/exchange` and `/ws` on one port, over the venue core."""
