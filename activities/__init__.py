"""The steps: each is one thing done in the world, through ports only, and safe to be done twice."""
