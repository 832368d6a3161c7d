"""The command line of the client: ``python -m cache_streams.client``, or ``fullon-stream`` where the package is installed."""
