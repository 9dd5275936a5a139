"""The parts of the page Explore, from its top to its end.

saved     views, opened and saved by name
controls  what to measure, by what, and against what; and how others set it
answer    the chart and the table, and which row was clicked
split     a mark, one step further down
behind    the rows behind a mark
files     the SQL, and the answer as a file
"""
