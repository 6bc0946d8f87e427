"""Cells of generated and of real images: found by one method, measured, and compared."""
