"""The use of labelled images: a segmenter trained on them, scored on real images it has not seen."""
