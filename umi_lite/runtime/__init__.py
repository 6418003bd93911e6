"""Runs trained roles: the engine, the agent loop, tools and traces. Never imports torch."""
