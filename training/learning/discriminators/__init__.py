"""Discriminators: the mirror of the paper's generator, and one that looks through pretrained features."""
