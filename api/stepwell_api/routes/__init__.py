"""The endpoints: each handler is the list of its steps, the work is in the modules beside this package."""
