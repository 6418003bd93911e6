"""Trajectories, prompts, grammars and tool schemas; imports no other part of umi_lite."""
