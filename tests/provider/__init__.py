"""A scripted model provider: a real HTTP server that speaks the streaming dialects of OpenAI and Anthropic.

Without a script it answers what the last user message asks for (`grammar.py`); with one it says exactly the
replies it was given, faults included (`script.py`). Read `script.py` → `play.py` → `openai.py` → `server.py`.
"""
