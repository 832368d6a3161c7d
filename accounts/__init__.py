"""Who uses the gateway: users, their tokens, and the REST resources about them."""
