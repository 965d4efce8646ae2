"""Where variants are kept."""
