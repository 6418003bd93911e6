"""The loop: planner, caller, tool, summarizer; one episode or a batch of them."""
