"""The cells of images that nobody has annotated: how large, how irregular, and how clear."""
