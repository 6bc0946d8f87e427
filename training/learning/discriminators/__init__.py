"""Discriminators: the mirror of the paper's generator, and one on pretrained features."""
