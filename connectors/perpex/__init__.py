"""Perpex: the REST and WebSocket gateway to Hyperliquid's book, with a JWT and nothing else.

What the owner's page states is fact; everything else lives, marked as assumed, in `mapping`. The
package reads no Hyperliquid key: it imports nothing that could (kept by an import rule and a test).
"""
