"""The rules of the product. Pure: the standard library and pydantic, no input or output."""
