"""Learning: trainer, run folder, recipes, discriminators, augmentation, recording."""
