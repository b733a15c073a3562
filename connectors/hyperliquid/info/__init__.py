"""Hyperliquid's info requests: typed answers, the table of requests, and the client that asks."""
