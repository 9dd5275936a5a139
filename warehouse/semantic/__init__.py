"""The metrics layer: what is declared in warehouse/metrics, asked of a release.

declared   what the YAML files can say
loaded     reading and checking them
asked      a question, and whether it has an answer
star       a declared model as one of boring-semantic-layer's, on the tables of a release
calendar   last year and moving windows as another calendar to join
where      the condition of a question, from SQL
routing    the smallest table that answers exactly
compiled   a question as one query
behind     the rows behind a number
answers    a question asked of a release
prepared   questions of one shape, compiled once
shown      values for people
"""
