"""The cache over REST: snapshots of every stream, bars, and what producers publish."""
