"""What stands in for a market: tapes, the simulated exchange, the runner and its reports."""
