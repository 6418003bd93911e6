"""Tools of MCP servers: how they are named, started, called, bounded and allowed."""
