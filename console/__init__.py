"""The terminal client. It speaks only HTTP, so that it works against any API, and knows only the domain's words."""
