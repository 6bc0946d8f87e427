"""Whether a generator copies its training images."""
