"""Nothing: the peer's `stg_sales` is a view of its input, which these tables read as it is."""
