"""Speed of the backtest drivers beside NautilusTrader's, on the same work."""
