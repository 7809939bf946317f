"""A run as a conversation: messages, reasoning, tool calls and their results, out of what its steps carried.

`blocks` reads the payloads of any dialect by their shapes, `telling` leaves out of each model call what was said
before, `reading` brings the steps of a page from the database.
"""
