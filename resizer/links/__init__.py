"""URLs: signatures, short URLs, and the mount path of the app."""
