"""What a run is: one tree of settings, loaded, checked and resolved."""
