"""The page at /gallery: look at images, choose settings, start jobs."""
