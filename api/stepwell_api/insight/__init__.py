"""What to change about an agent, and what it would bring: suggestions that the data supports.

`sample` holds the plain data that everything here is computed from, `reading` fills it from the database, `detectors/`
finds candidates (pure functions), `deciding` keeps what is significant and tells each cause once, `suggestions` words
it. `docs/insight.md` says what each kind means, the test behind it and its limits.
"""
