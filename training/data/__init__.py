"""Images to learn from: reading, split, crops, sources, annotation."""
