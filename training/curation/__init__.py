"""Turn a clinic's folder of raw images into a clean training set, with a report."""
