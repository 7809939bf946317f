"""How long what is kept: rows of single runs, their payloads, and the rollups that outlive them.

`policy` says how long and asserts the rules, `horizon` is what is gone for good, below which nothing comes in again;
`raw`, `payloads` and `history` delete, `partitions` tells them in which parts of the tables, `passes` does it all in
turn. Rows that go leave the rollups as they are; what is deleted on purpose (`stepwell_storage.deletion`) does not.
"""
