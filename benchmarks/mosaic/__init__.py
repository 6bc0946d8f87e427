"""What mosaics drawn for given parameters turn out to have, and the calibration that follows."""
