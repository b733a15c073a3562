"""What may refuse: the gate every order passes, and the checks, margin rules and caps it asks."""
