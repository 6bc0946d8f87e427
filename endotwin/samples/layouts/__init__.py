"""Folders that a segmentation team's own software loads without conversion; one module for each layout."""
