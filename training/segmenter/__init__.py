"""Training of the segmenter that users start from, on a set that Endotwin made."""
