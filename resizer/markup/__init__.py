"""What a tag prints."""
