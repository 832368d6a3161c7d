"""Processes of the gateway: workers, relay and private Redis, their supervision, and what they write to the log."""
