"""The pages: rendered on the server, every question an address."""
