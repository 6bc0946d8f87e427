"""Borders and cells of an image of the corneal endothelium, as a small network finds them."""
