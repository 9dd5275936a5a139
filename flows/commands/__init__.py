"""The commands of `cartlake`, a module for each kind: parse, one call, print.

Heavy imports stay inside the commands, so that `cartlake --help` is instant. Rows go to stdout, everything else to stderr.
"""
