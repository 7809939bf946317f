"""The serving parts of Stepwell as commands of their own: receiver, worker, API.

They run alone over one database URL, in any number, or as children of ``stepwell up``, which starts the very same
commands with ``--supervised``.
"""
