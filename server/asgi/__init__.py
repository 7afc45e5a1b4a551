"""The ASGI layers around Connexion: limits, security and the fast path."""
