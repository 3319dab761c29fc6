"""A case judged and many cases side by side: checks, tables."""
