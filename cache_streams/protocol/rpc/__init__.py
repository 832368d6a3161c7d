"""The request/response family: actions, their parameters, and the five frame shapes that existing clients know."""
