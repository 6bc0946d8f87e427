"""Where sets are kept: a folder, or a prefix of an S3-compatible bucket."""
