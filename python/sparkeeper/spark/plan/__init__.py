"""Partition plans: one exact, balanced placement of keys, shared by every job that reads it.

`store` has the znodes, `ask` the ways to a plan, `plan` what a caller gets, `placement` how rows go there.
"""

from sparkeeper.spark.plan.ask import partition_plan
from sparkeeper.spark.plan.check import PlanCheck
from sparkeeper.spark.plan.compare import Comparison
from sparkeeper.spark.plan.plan import PartitionPlan

__all__ = ["Comparison", "PartitionPlan", "PlanCheck", "partition_plan"]
