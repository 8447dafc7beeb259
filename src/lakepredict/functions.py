"""PREDICT for SQL and for DataFrames: registered models of MLflow, called like a built-in function."""

from __future__ import annotations

from functools import partial

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from lakepredict import _jvm, _predict

_MODELS_KEPT = 64
"""How many bound models an application keeps, the least recently used going first."""

_MODEL_AND_VERSION = """
    Arguments:
      * model - the name of a registered model; a constant STRING.
      * version - a version number, an alias such as 'champion', or 'latest'; a constant. It is resolved when
          the query is analysed, once for all calls in the query."""
_PREDICT = {
    "usage": (
        "_FUNC_(model, version, cols...) - Scores each row with a version of a model in the MLflow registry."
        " The result has the type of the model's output: a scalar for one output, a STRUCT for several."
    ),
    "arguments": f"""{_MODEL_AND_VERSION}
      * cols - the inputs of the model. They bind by name if each has a name and together they cover the
          model's required inputs (pass * for a whole row; columns that the model does not know are ignored).
          Otherwise they bind by position, and there must be exactly one for each input.
  """,
    "examples": """
    Examples:
      > SELECT store, week, _FUNC_('sales_forecast', 'champion', *) AS forecast FROM next_week;
      > SELECT store FROM next_week WHERE _FUNC_('sales_forecast', 3, *) > 1000000;
  """,
}
_TRY_PREDICT = {
    "usage": (
        "_FUNC_(model, version, cols...) - As predict, but a row that the model fails on gives NULL instead of"
        " failing the query. A call that cannot be bound, and a model that cannot be loaded, are errors all the same."
    ),
    "arguments": _PREDICT["arguments"],
    "examples": """
    Examples:
      > SELECT store, week, _FUNC_('sales_forecast', 'champion', *) AS forecast FROM next_week;
  """,
}
_PREDICT_VERSION = {
    "usage": "_FUNC_(model, version) - The number of the model version that the query is bound to, a BIGINT.",
    "arguments": f"{_MODEL_AND_VERSION}\n  ",
    "examples": """
    Examples:
      > SELECT store, predict('sales_forecast', 'champion', *) AS forecast,
               _FUNC_('sales_forecast', 'champion') AS model_version FROM next_week;
  """,
}


def register(spark: SparkSession) -> None:
    """Make PREDICT, TRY_PREDICT and PREDICT_VERSION built-in SQL functions of the session's application.

    What happens: they become known to this session, to all that are made later with
    ``spark.newSession()``, and to permanent views. Models are looked up with MLflow's tracking and registry
    URIs as they are set when a query is analysed. Nothing is loaded and no job is started. Call it as often
    as you like; after ``spark.stop()`` call it again for the new session.

    Args:
        spark: a classic (not Spark Connect) session, Spark 4.1 or newer.

    Raises:
        SparkConnectError: ``spark`` is a Spark Connect client, which has no JVM.
        SparkVersionError: Spark is older than 4.1.
        SessionError: ``spark`` is no SparkSession, or it is stopped.

    Example:
        >>> import lakepredict
        >>> lakepredict.register(spark)
        >>> spark.sql("SELECT PREDICT('sales_forecast', 'champion', *) FROM next_week")  # doctest: +SKIP
    """
    _jvm.require_usable(spark)
    targets = _predict.TargetCache(_MODELS_KEPT)
    for function, texts in (("PREDICT", _PREDICT), ("TRY_PREDICT", _TRY_PREDICT)):
        build = partial(_predict.build, spark, targets, function)
        _jvm.register_function(spark, function.lower(), build, **texts)
    _jvm.register_function(spark, "predict_version", _predict.build_version, **_PREDICT_VERSION)


def predict(model: str, version: int | str, *cols: Column | str) -> Column:
    """``PREDICT(model, version, cols...)`` as a DataFrame column.

    The model is looked up, and the columns are bound to its inputs, when the column is used in a DataFrame
    (``select``, ``withColumn``, ``filter``, ...), on the driver, before any job starts.

    Args:
        model: the name of a registered model.
        version: a version number, an alias, or ``'latest'``.
        cols: columns or their names; ``"*"`` passes the whole row and binds by name.

    Returns:
        The prediction: the Spark type of the model's one output, or a STRUCT of several. NULL for a row with a
        NULL in an integer or boolean input; other NULLs reach the model as missing values.

    Raises:
        pyspark.errors.AnalysisException: with a condition ``PREDICT_...``, by the DataFrame operation that
            uses the column, if the call cannot be bound.

    Example:
        >>> import lakepredict
        >>> df = spark.table("next_week")
        >>> df.withColumn("forecast", lakepredict.predict("sales_forecast", "champion", "*"))  # doctest: +SKIP
    """
    features = [F.col(each) if isinstance(each, str) else each for each in cols]
    return F.call_function("predict", F.lit(model), F.lit(version), *features)
