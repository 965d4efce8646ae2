"""URLs: their signatures, the short ones, and where the app is mounted."""
