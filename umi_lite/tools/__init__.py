"""What an agent may call: Python functions and the sandboxed interpreter."""
