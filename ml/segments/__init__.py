"""Which kinds of customers there are, and who is of which."""
