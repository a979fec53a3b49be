"""The world: one module or package per thing that is reached, most of them a port of `domain/ports.py`."""
