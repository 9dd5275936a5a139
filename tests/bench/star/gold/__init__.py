"""Six tables as the peer has them, and the cells that its cube is added up from."""
