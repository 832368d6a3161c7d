"""The wire: bytes to messages and back, without Django, Channels, Redis or a clock of its own."""
