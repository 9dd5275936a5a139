"""Which products to show beside a basket, and to a customer."""
