"""Drawings of answers: SVG made on the server, the same for the page, for print and for a PNG."""
