"""Local pages: served on the loopback address alone, and only to requests with the token in their address."""
