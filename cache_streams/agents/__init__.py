"""Runs of AI agents and their events, up to the moment where they are rows that a stream can deliver."""
