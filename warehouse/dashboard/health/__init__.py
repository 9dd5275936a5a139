"""What the page Data health asks.

sources     how each source stands, by the marks that capture left
freshness   how new each table is, from its source to the release
ages        how long ago, in words
kept_out    rows in quarantine
lineage     what leads to what, from sources to metrics
monitoring  what has drifted
runs        the last runs, of Prefect's server
"""
