"""What a file may not do to a decoder."""
