"""What the product costs and how fast it is, measured on the whole of it; `README.md` has the last results."""
