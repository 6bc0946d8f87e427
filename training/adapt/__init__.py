"""`endotwin-training adapt`: from a folder of one's own images to a labelled checkpoint in their style."""
