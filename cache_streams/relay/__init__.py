"""The relay: one per deployment; turns changes of the cache into numbered entries of the logs."""
