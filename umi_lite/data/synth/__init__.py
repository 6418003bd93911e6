"""Verified trajectories for any set of tool schemas, made offline without a teacher."""
