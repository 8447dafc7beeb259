"""PREDICT for SQL and for DataFrames: registered models of MLflow, called like a built-in function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from lakepredict import _evaluate_table, _jvm, _mlflow_tables, _predict

_MODELS_KEPT = 64
"""How many bound models an application keeps, the least recently used going first."""

_MODEL_AND_VERSION = """
    Arguments:
      * model - the name of a registered model; a constant STRING.
      * version - a version number, an alias such as 'champion', or 'latest'; a constant."""
_REGISTRY = """
      The registry is MLflow's (MLFLOW_TRACKING_URI, MLFLOW_REGISTRY_URI). The version is looked up when the query is
      analysed, once for all calls in it: a view asks anew for each query, a DataFrame or a stream keeps the version
      that it was made with."""
_PREDICT = {
    "usage": (
        "_FUNC_(model, version, cols...) - Scores each row with a version of a model in the MLflow registry."
        " The result has the type of the model's output: a scalar for one output, a STRUCT for several."
    ),
    "arguments": f"""{_MODEL_AND_VERSION}
      * cols - the inputs of the model's signature. They bind by name if each has a name and together they cover the
          required inputs: columns that the model does not know are ignored, so * passes a whole row, and
          price => expression names an input. Otherwise columns that are written one by one bind by position, exactly
          one for each input; * and structs never do.
          Types widen (INT to DOUBLE, DATE to TIMESTAMP); anything else needs a CAST.
      * params => map('alpha', 0.5) - inference parameters of the signature; a constant MAP, or a STRUCT where
          they have several types: params => named_struct('alpha', 0.5, 'mode', 'fast').
  """,
    "examples": """
    Examples:
      > SELECT store, week, _FUNC_('sales_forecast', 'champion', *) AS forecast FROM next_week;
      > -- By position, in the order of the signature:
      > SELECT _FUNC_('churn', 1, 12, 'monthly');
      > -- What if:
      > SELECT store FROM next_week
        WHERE _FUNC_('sales_forecast', 2, *, sales_last_week => sales_last_week * 1.1) > 1000000;
      > -- After a join, the columns of one table:
      > SELECT s.week, _FUNC_('sales_forecast', 2, n.*) AS forecast
        FROM next_week n JOIN weekly_sales s USING (store);
      > -- A model for each segment, which scores the rows of its own branch alone:
      > SELECT store, CASE WHEN store < 20 THEN _FUNC_('sales_forecast', 1, *)
                           ELSE _FUNC_('sales_forecast', 2, *) END AS forecast FROM next_week;
  """,
    "note": f"""{_REGISTRY}
      A NULL in an integer or boolean input gives NULL. Other NULLs reach the model as missing values; where it refuses
      those, the prediction is NULL, and the other rows are scored. SET spark.lakepredict.onNull = error makes a NULL an
      error; pass shows each to the model.
      Spark takes no * in ORDER BY, GROUP BY, explode, UPDATE, DELETE and MERGE: name the columns there.
      See also try_predict, predict_proba and predict_version.
  """,
}
_TRY_PREDICT = {
    "usage": (
        "_FUNC_(model, version, cols...) - As predict, but a row that the model fails on gives NULL instead of"
        " failing the query. A call that cannot be bound, and a model that cannot be loaded, are errors all the same."
    ),
    "arguments": "\n    Arguments:\n      * as for predict.\n  ",
    "examples": """
    Examples:
      > SELECT store, week, _FUNC_('sales_forecast', 'champion', *) AS forecast FROM next_week;
  """,
    "note": "",
}
_PREDICT_PROBA = {
    "usage": (
        "_FUNC_(model, version, cols...) - The probability of each class, a MAP from the class label to DOUBLE, by a"
        " classifier of scikit-learn, XGBoost, LightGBM, CatBoost or Spark ML, whichever of its functions it was"
        " logged with."
    ),
    "arguments": "\n    Arguments:\n      * as for predict.\n  ",
    "examples": """
    Examples:
      > SELECT customer, _FUNC_('churn', 'champion', *)['yes'] AS risk FROM customers;
      > -- A row for each class; Spark takes no * in explode:
      > SELECT customer, label, p FROM customers
        LATERAL VIEW explode(_FUNC_('churn', 'champion', tenure, plan)) AS label, p;
  """,
    "note": "",
}
_PREDICT_VERSION = {
    "usage": "_FUNC_(model, version) - The number of the model version that the query is bound to, a BIGINT.",
    "arguments": f"{_MODEL_AND_VERSION}\n  ",
    "examples": """
    Examples:
      > SELECT _FUNC_('sales_forecast', 'champion');
      > SELECT store, predict('sales_forecast', 'champion', *) AS forecast,
               _FUNC_('sales_forecast', 'champion') AS model_version FROM next_week;
  """,
    "note": f"{_REGISTRY}\n  ",
}


_TABLES = {
    "mlflow_experiments": (
        "_FUNC_() - The experiments of MLflow that are not deleted, read when the query is analysed.",
        "\n    Examples:\n      > SELECT name, creation_time FROM _FUNC_() ORDER BY creation_time DESC;\n  ",
    ),
    "mlflow_runs": (
        "_FUNC_(experiment) - The runs of an experiment, by its name or id, the oldest first: status, times, parameters"
        " and tags as MAP<STRING, STRING>, the last value of each metric as MAP<STRING, DOUBLE>.",
        """
    Examples:
      > SELECT run_name, metrics['rmse'] AS rmse, params['model'] AS model
        FROM _FUNC_('weekly_sales') ORDER BY rmse;
  """,
    ),
    "mlflow_metrics": (
        "_FUNC_(run_id) - Each value of each metric of a run, by its id or the first characters of one, with step"
        " and time.",
        "\n    Examples:\n      > SELECT step, value FROM _FUNC_('4f0c11d2') WHERE metric = 'loss' ORDER BY step;\n  ",
    ),
    "mlflow_models": (
        "_FUNC_() - The registered models, with their aliases as MAP<STRING, BIGINT>.",
        "\n    Examples:\n      > SELECT name, aliases['champion'] AS champion FROM _FUNC_();\n  ",
    ),
    "mlflow_model_versions": (
        "_FUNC_(name) - The versions of a registered model: aliases, tags, run, and what PREDICT takes and gives;"
        " the last two are NULL for a version that it cannot use.",
        """
    Examples:
      > SELECT v.version, r.metrics['rmse'] AS rmse
        FROM _FUNC_('sales_forecast') v JOIN mlflow_runs('weekly_sales') r USING (run_id);
  """,
    ),
}

_EVALUATE = (
    "_FUNC_(forecast, actuals, key, actual) - Compares predictions with what happened later, a row for each model"
    " version and time: rows, missing_actuals, null_predictions, wape, mae, rmse, bias; accuracy and f1 for classes."
    " forecast and actuals are tables or queries, key the columns that both have, actual the column of what happened;"
    " prediction => 'prediction', time => 'week' name columns of the forecast, period => 'month' truncates the time.",
    """
    Examples:
      > SELECT week, model_version, wape
        FROM _FUNC_('sales_forecast', 'weekly_sales', 'store, week', 'weekly_sales',
                    prediction => 'forecast', time => 'week');
  """,
)


def register(spark: SparkSession) -> None:
    """Make PREDICT, TRY_PREDICT, PREDICT_PROBA and PREDICT_VERSION built-in SQL functions of the application.

    So do the table functions ``mlflow_experiments``, ``mlflow_runs``, ``mlflow_metrics``, ``mlflow_models`` and
    ``mlflow_model_versions``, which show in SQL what MLflow has, and ``evaluate_forecast``.

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
    _jvm.register_conditions(spark)
    binder = _binder_of(spark)
    for function, texts in (("PREDICT", _PREDICT), ("TRY_PREDICT", _TRY_PREDICT), ("PREDICT_PROBA", _PREDICT_PROBA)):
        _jvm.register_function(spark, function.lower(), partial(binder.build, function), **texts)
    _jvm.register_function(spark, "predict_version", _predict.build_version, **_PREDICT_VERSION)
    for name, table in _mlflow_tables.TABLES.items():
        usage, examples = _TABLES[name]
        _jvm.register_table_function(spark, name, partial(table.read, name), usage=usage, examples=examples)
    usage, examples = _EVALUATE
    read = partial(_evaluate_table.read, spark)
    _jvm.register_table_function(spark, _evaluate_table.NAME, read, usage=usage, examples=examples)


_binder: _predict.Binder | None = None
"""That of the running application, so that whoever registers again finds the models that were shipped."""


def _binder_of(spark: SparkSession) -> _predict.Binder:
    global _binder
    if _binder is None or not _binder.serves(spark):
        _binder = _predict.Binder(spark, kept=_MODELS_KEPT)
    return _binder


def predict(model: str, version: int | str, *cols: Column | str, params: Mapping[str, object] | None = None) -> Column:
    """``PREDICT(model, version, cols...)`` as a DataFrame column.

    The model is looked up, and the columns are bound to its inputs, when the column is used in a DataFrame
    (``select``, ``withColumn``, ``filter``, ...), on the driver, before any job starts.

    Args:
        model: the name of a registered model.
        version: a version number, an alias, or ``'latest'``.
        cols: columns or their names; ``"*"`` passes the whole row and binds by name.
        params: inference parameters by name, in place of the defaults of the model's signature.

    Returns:
        The prediction: the Spark type of the model's one output, or a STRUCT of several. NULL for a row with a
        NULL in an integer or boolean input; other NULLs reach the model as missing values
        (``spark.lakepredict.onNull`` changes that).

    Raises:
        pyspark.errors.AnalysisException: with a condition ``PREDICT_...``, by the DataFrame operation that
            uses the column, if the call cannot be bound.

    Example:
        >>> import lakepredict
        >>> df = spark.table("next_week")
        >>> df.withColumn("forecast", lakepredict.predict("sales_forecast", "champion", "*"))  # doctest: +SKIP
    """
    return _call("predict", model, version, cols, params)


def predict_proba(
    model: str, version: int | str, *cols: Column | str, params: Mapping[str, object] | None = None
) -> Column:
    """``PREDICT_PROBA(model, version, cols...)`` as a DataFrame column: the probability of each class.

    Args:
        model: the name of a registered model, a classifier of scikit-learn, XGBoost, LightGBM, CatBoost or Spark ML.
        version: a version number, an alias, or ``'latest'``.
        cols: columns or their names, as for :func:`predict`.
        params: inference parameters, as for :func:`predict`.

    Returns:
        ``MAP<label, DOUBLE>``, the labels of the type that the classifier was trained with. NULL where
        :func:`predict` is NULL.

    Raises:
        pyspark.errors.AnalysisException: with a condition ``PREDICT_...``, by the DataFrame operation that
            uses the column; ``PREDICT_PROBABILITIES_MISSING`` for a model that gives none.

    Example:
        >>> import lakepredict
        >>> df = spark.table("customers")
        >>> df.withColumn("risk", lakepredict.predict_proba("churn", "champion", "*")["yes"])  # doctest: +SKIP
    """
    return _call("predict_proba", model, version, cols, params)


def _call(
    function: str, model: str, version: int | str, cols: Sequence[Column | str], params: Mapping[str, object] | None
) -> Column:
    columns = [F.col(column) if isinstance(column, str) else column for column in cols]
    arguments = [F.lit(model), F.lit(version), *columns]
    if params is not None:
        members = map(F.lit, chain.from_iterable(params.items()))
        arguments.append(_jvm.named_argument("params", F.named_struct(*members)))
    if _jvm.are_single(columns):
        arguments.append(_jvm.one_by_one())
    return F.call_function(function, *arguments)
