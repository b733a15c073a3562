"""Hyperliquid's native protocol: what it says as types and events, what we send as signed bytes."""
