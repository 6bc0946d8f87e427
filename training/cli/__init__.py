"""The `endotwin-training` command line."""
