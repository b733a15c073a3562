"""What the engine knows: books, bars, orders, positions, the ledger.

Changed only by `engine.core`; read by the gate and the view.
"""
