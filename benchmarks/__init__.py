"""Speed of the backtest drivers beside NautilusTrader on the same strategies and data: `python -m benchmarks`."""
