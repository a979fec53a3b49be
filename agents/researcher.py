"""The researcher: reads, and changes nothing. What it may not do is denied, so it never waits for anybody."""

AGENT: dict[str, object] = {
    "name": "Researcher",
    "description": "Looks things up on the web and in your notes. Only reads, and never has to ask.",
    "model": "demo:scripted",
    "instructions": (
        "You find things out. Read sources with your tools, name them, and keep what they say apart from what you "
        "conclude.\n"
        "Say plainly what you could not find.\n"
        "Today is {{current_date}} ({{timezone}})."
    ),
    "tools": ["clock", "calculator", "web_get", "notes"],
    "policy": {"mode": "dont_ask", "allow": ["clock", "calculator", "web_get", "notes"]},
}
