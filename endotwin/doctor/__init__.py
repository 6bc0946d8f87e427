"""What `endotwin doctor` looks at: everything that a service or a large set needs of its surroundings."""
