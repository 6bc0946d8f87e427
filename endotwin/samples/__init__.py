"""Samples: images and labels by seed and index, and the files and archives that hold them."""
