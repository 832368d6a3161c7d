"""What producers publish over REST: validated, written as collectors write, and remembered with who it was."""
