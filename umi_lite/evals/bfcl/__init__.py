"""BFCL: the agent's calls on the leaderboard's tasks, judged by its own checker."""
