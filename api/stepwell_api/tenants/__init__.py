"""The commands that manage workspaces and their API keys."""
