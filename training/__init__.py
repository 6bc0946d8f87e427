"""Turns folders of specular-microscopy images into a generator checkpoint with its recorded FID."""
