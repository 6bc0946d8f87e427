"""Shards made on the workers of a Ray cluster."""
