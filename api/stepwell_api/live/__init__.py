"""Runs while they run: `running` tells which go on now, `hub` tells subscribers what happens to them.

The worker announces the traces whose runs it has written (`stepwell_storage.announcing`); the hub reads what changed
and hands events to the subscribers of the workspace.
"""
