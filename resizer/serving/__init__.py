"""Responses to requests for variants, without Django's requests and responses: any server interface can use them."""
