"""A market that does not exist, written to Redis as real collectors, bots and order processors would write theirs."""
