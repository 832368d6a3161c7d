"""A live-price application as the Channels documentation teaches it: nothing tuned, nothing left out."""
