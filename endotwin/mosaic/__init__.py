"""Cell mosaics drawn from parameters that a clinician knows, and the labels that follow from them."""
