"""The `endotwin` command line."""
