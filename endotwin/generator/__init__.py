"""Generators: latents, architectures, checkpoints with their cards, and the sampler."""
