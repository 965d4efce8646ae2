"""Keys: their contents, their spelling, and geometry. Imports neither Django nor an image library."""
