"""What a key says, and how it is spelled. Neither Django nor an image library is known here."""
