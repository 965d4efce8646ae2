"""What a file says beside its pixels, format by format."""
