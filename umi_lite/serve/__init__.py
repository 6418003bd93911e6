"""An OpenAI-compatible server of agents, and the store of their traces with its viewer."""
