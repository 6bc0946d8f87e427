"""What every generator has in common."""

IMAGE_SIZE = 128
"""Side of a generated image in pixels."""
