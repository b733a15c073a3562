"""Named models of what a market does to an order: fees, latency, queue position."""
