"""One consumer class per stream type, over one shared socket."""
