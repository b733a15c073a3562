"""Streaming indicators: one `update` per observation, constant time and memory, float64."""

from strategies.indicators.ema import Ema
from strategies.indicators.volatility import Volatility

__all__ = ["Ema", "Volatility"]
