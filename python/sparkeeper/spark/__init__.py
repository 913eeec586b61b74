"""What meets Spark: partition plans, fault-tolerant writes. Everything that imports pyspark is below here."""
