"""The native family: one socket, many subscriptions; requests with acknowledgements, numbered updates with cursors."""
