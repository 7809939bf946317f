"""Alerts: what people want to be told, looked at by a worker.

`rules` says what a rule is, `series` reads the figures that it is about, `conditions` tells when it holds: a pure
function of what is stored, so that a restart, a second worker or late data change nothing but when it is told.
`regressions` and `clusters` are the other two kinds, `sighting` asks each for what it sees. `checking` brings a rule's
alerts up to date, `store` keeps both, `messages` says it in words, `running` does all that until it is stopped.
"""
