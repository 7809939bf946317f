"""Storage: the schema, the facts (steps), the fold from steps to executions, and the worker that applies it."""
