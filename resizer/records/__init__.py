"""Records of originals and variants, in the cache and in the tables."""
