"""Data out: executions and steps as JSON Lines, CSV or Parquet, a batch at a time.

`columns` says what is told and of which kind, `reading` reads it in batches, `formats` writes these, `parquet` writes
that format's files.
"""
