"""Synthetic images of the human corneal endothelium, with labels, by checkpoint, seed and index."""
