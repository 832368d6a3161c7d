"""What the collectors wrote: notices of change, and readers of each layout shape. Nothing else reads the layout."""
