"""Trajectories and a recipe in, four LoRA adapters out. Heavy imports happen when called."""
