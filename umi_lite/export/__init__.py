"""From trained adapters to a bundle: the folder of GGUF files that the runtime opens."""
