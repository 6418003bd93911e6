"""What speed and memory claims rest on: `umi bench`, side by side with what others offer."""
