"""The door: HTTP and SSE over the rules. `app.py` composes; every other module is one subject."""
