"""Keeps the parts of ``stepwell up`` running: each is a process of its own, restarted with back-off when it ends.

``part`` says what a part is, ``child`` and ``database`` are the two kinds, ``keeper`` restarts, ``supervisor`` starts
and stops all of them in order.
"""
