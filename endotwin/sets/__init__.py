"""Large sets: shards of images with a manifest, in one folder or below one prefix of S3 storage."""
