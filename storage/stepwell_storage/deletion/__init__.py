"""Deletes on purpose: an execution, an agent, a workspace, with everything that was stored of them.

Unlike what goes by its time (`stepwell_storage.retention`), it is taken out of the rollups as well, in the same
transactions. Deleted traces are remembered for `tombstones.KEPT_FOR`: spans of them that come later are dropped by the
fold, so that an exporter that tries again does not bring them back.
"""
