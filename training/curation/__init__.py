"""From a clinic's folder of raw images to a clean training set, with a report a person can read."""
