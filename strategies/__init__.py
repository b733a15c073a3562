"""What decides: the strategy interface, the registry, and the strategies that ship with perpd."""
