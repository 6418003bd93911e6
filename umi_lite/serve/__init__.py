"""An OpenAI-compatible server: many clients, one engine, their tools or the server's."""
