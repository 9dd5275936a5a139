"""What the page Data health asks.

freshness   how new each table is, from its source to the release
kept_out    rows in quarantine
lineage     what leads to what, from sources to metrics
monitoring  what has drifted
runs        the last runs, of Prefect's server
"""
