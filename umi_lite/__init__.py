"""umi_lite: one small open LLM as planner, caller and summarizer, trained and run offline."""

__version__ = "0.1.0"
