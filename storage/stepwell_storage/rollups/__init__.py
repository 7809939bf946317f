"""Figures by hour and by day, so that analytics cost the same however many runs there were.

`figures` says what a run adds, `parts` what its steps add, `deltas` writes it with the run, `compaction` sums the rows
up by hour and by day, `histogram` makes percentiles that can be added. Readers add the three tables: days that are
known to be complete, hours for the rest, and what waits to be summed up.
"""
