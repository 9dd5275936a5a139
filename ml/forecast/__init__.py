"""The sales forecast: revenue per category and day, and by month."""
