"""How requests authenticate, said in OpenAPI."""
