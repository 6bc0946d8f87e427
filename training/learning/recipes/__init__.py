"""Recipes: the discriminator, the losses and the optimisers that a generator is trained with."""
