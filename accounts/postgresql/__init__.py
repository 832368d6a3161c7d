"""Django's backend for PostgreSQL with an end to its patience; Django finds it by this name."""
