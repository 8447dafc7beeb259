"""The one door to the JVM: py4j and Spark's private names occur here, in the servers' door, and nowhere else.

Tried on Spark 4.1 and 4.2. What is used of Spark's internals:

- ``FunctionRegistry.builtin``: functions in it are seen by every session of the application and may stand in
  permanent views, which functions registered with ``spark.udf.register`` may not.
- ``SparkThrowableHelper.errorReader``: Spark's table of error conditions, to which PREDICT's are added.
- ``FunctionRegistry.internal``: has the functions from ARRAY to vector and back.
- ``InMemoryCatalog``, ``ExternalCatalogWithListener``: the catalog of a lakehouse is one of the first kind, in the
  place of the one that the second passes everything to.
- ``SparkSession.experimental``: takes further rules for the optimizer; ours keep a model from scoring a row twice, and
  from scoring rows of a branch of CASE that does not reach it.
- ``CollapseProject``, ``ColumnPruning``: merge projections, and their expressions, as the optimizer does.
- ``Dataset.ofRows``: makes a data frame of a plan.
- ``TahoeLogFileIndex``, ``DeltaLog.forTableWithSnapshot`` of Delta Lake: which version of a table a plan reads, and
  which transactions of applications a table has seen; ``LogStore``: writes a file whole or not at all.
- ``UserDefinedPythonFunction.builder``: makes the expression of a Python UDF from argument expressions.
"""

from lakepredict._jvm.catalog import Facts, Keep, LakehouseCatalog, Listed
from lakepredict._jvm.delta import TableVersion, pinned, transactions
from lakepredict._jvm.faults import end_unfinished, exit_status, full_text
from lakepredict._jvm.files import delete_file_with, delete_folder, staged
from lakepredict._jvm.functions import (
    are_single,
    named_argument,
    new_udf,
    one_by_one,
    register_function,
    register_table_function,
)
from lakepredict._jvm.gateway import java_message
from lakepredict._jvm.pipelines import collapsed, merged, obstacle
from lakepredict._jvm.sessions import (
    OLDEST_SPARK,
    active_session,
    is_running,
    is_stopped,
    place_of,
    register_conditions,
    require_plan,
    require_usable,
    require_version,
)

__all__ = [
    "OLDEST_SPARK",
    "Facts",
    "Keep",
    "LakehouseCatalog",
    "Listed",
    "TableVersion",
    "active_session",
    "are_single",
    "collapsed",
    "delete_file_with",
    "delete_folder",
    "end_unfinished",
    "exit_status",
    "full_text",
    "is_running",
    "is_stopped",
    "java_message",
    "merged",
    "named_argument",
    "new_udf",
    "obstacle",
    "one_by_one",
    "pinned",
    "place_of",
    "register_conditions",
    "register_function",
    "register_table_function",
    "require_plan",
    "require_usable",
    "require_version",
    "staged",
    "transactions",
]
