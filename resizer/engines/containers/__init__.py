"""Read the structure of files: a module for each format."""
