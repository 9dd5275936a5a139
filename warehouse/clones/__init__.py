"""Clones: writable sandboxes that stand on a kept release and cost a second and no disk to make.

    data/clones/NAME/clone.json             the release that it stands on, and when it was made
    data/clones/NAME/lake/gold/TABLE        gold as of that release: links to the same Parquet files, and a log of its own
    data/clones/NAME/warehouse.duckdb       the tables that the clone has of its own; what it does not have is the release's
    data/clones/.making-NAME                the same, while it is made
    data/clones/.dropped/NAME-SECONDS       the same, from when it was dropped until vacuum removes it

The release's own file is never written to and never linked (DuckDB changes files in place); as long as a clone stands on it,
dropped ones included, it stays on the shelf.
"""
