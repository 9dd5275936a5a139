"""The SQL server: a door that speaks DuckDB's quack protocol, and processes behind it that answer.

    client ── quack ── front.py: checks the token, holds answers ── pool.py ── worker.py (several): one query at a time, each
                       until they are fetched; holds no data                   in a process of its own with its own limits

A client's SQL never runs in the door. The door's authorization callback hands it to a worker, keeps the answer as a table,
and gives quack the SQL that reads that table. So a query can be stopped at its limits without the door noticing: DuckDB has
no limit of time, its limit of memory is one for all queries, and quack cannot stop a query (tried on 1.5.5).
"""
