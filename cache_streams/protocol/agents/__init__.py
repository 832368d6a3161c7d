"""The agents family: requests in, frames out, and how an event is told."""
