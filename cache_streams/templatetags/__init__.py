"""How pages write numbers."""
