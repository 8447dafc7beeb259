"""Scoring a table into another one, again and again, each row once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakepredict import _jvm, _registry
from lakepredict._sql import quoted
from lakepredict.errors import InputUnsuitableError
from lakepredict.lakehouse import _forecast, _input, _output, _plan
from lakepredict.lakehouse._plan import Job, Mode
from lakepredict.lakehouse._runs import ScoringRun, keep

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scoring:
    """What a scoring job did.

    Attributes:
        status: ``scored``; or ``nothing new``, where the input was scored before or nothing in it has changed.
        scoring_run_id: the run of MLflow that records it.
        model_name: the registered model.
        model_version: the number of the version that the job was bound to.
        run_id: the run that made the model, or None.
        input: table or query.
        input_version: the version of the input's Delta table; None for a query over several.
        output: the table.
        output_version: the version that was written, or None.
        mode: the job's mode.
        rows_in: the rows that were to be scored.
        rows_scored: how many of them have a prediction.
        null_predictions: how many have NULL.
        seconds: how long it took, from finding the model to the commit.
        started_at: when it began.
        finished_at: when it ended.
    """

    status: str
    scoring_run_id: str
    job: str
    model_name: str
    model_version: int
    run_id: str | None
    input: str
    input_version: int | None
    output: str
    output_version: int | None
    mode: str
    rows_in: int
    rows_scored: int
    null_predictions: int
    seconds: float
    started_at: datetime
    finished_at: datetime


def score(
    spark: SparkSession,
    model: str,
    version: int | str,
    input: str,
    output: str,
    *,
    key: Sequence[str] = (),
    mode: Mode = "append",
    prediction: str = "prediction",
    arguments: Sequence[str] = ("*",),
    columns: Sequence[str] = (),
    replace_where: str | None = None,
    partition_by: Sequence[str] = (),
    evolve: bool = False,
    column_mapping: bool = False,
    rescore: bool = False,
    name: str | None = None,
    batch: str | None = None,
    experiment: str = "scoring",
    runs_table: str = "scoring_runs",
) -> Scoring:
    """Score a table, or a query, with PREDICT into a Delta table, in one commit and each row once.

    What happens: the alias becomes a number; the input is held at the versions that its Delta tables have now; the
    output's names and types, and the key, are checked; the rows are scored and written. The output has the key, or else
    all columns of the input, then the prediction, then ``model_name`` STRING, ``model_version`` BIGINT, ``run_id``
    STRING (the run that made the model), ``scored_at`` TIMESTAMP and ``input_version`` BIGINT (NULL for a query over
    several tables). The same facts are the commit's user metadata and properties of the table. MLflow gets a run with
    both tables, and ``runs_table`` a row.

    Repeated with the same input and model version, ``append``, ``merge`` and ``incremental`` write nothing: the commit
    carries a ``txnAppId`` and ``txnVersion`` of Delta's. So a job that was killed is simply run again. Other jobs of
    the same machine on the same output wait; a conflict with any other writer is tried again, five times in all.

    Args:
        spark: a session with PREDICT, from ``lakepredict.spark_session``.
        model: the registered model.
        version: a number, an alias, or ``'latest'``.
        input: the name of a table or view, or a query.
        output: the name of the Delta table, made if there is none.
        key: the columns that tell rows apart; ``merge`` needs them.
        mode: ``append`` adds the rows; ``overwrite`` replaces those of the table; ``merge`` replaces those with the
            same key and adds the others; ``incremental`` scores only rows that are new or have changed since the
            version of the input table that was scored last, and merges them on the key, or adds them if there is none.
            Rows that are deleted from the input stay in the output.
        prediction: the name of the output column.
        arguments: what PREDICT takes after model and version, as SQL: columns, expressions, ``name => expression``;
            default: ``*``, the columns that have the names of the model's inputs.
        columns: the columns of the input that the output keeps; default: the key, or all if there is none.
        replace_where: a condition on the output's columns; ``overwrite`` replaces the rows that fulfil it alone.
        partition_by: the columns that a new output is partitioned by.
        evolve: change the schema of the output where the forecast does not fit.
        column_mapping: make a new output with Delta Lake's column mapping by name, so that any character may be in the
            names of its columns and of fields of STRUCTs; a table that exists stays as it is.
        rescore: ``incremental`` scores all rows when the model version is another than that of the last time.
        name: what tells the job from others that write to the same table; default: the input.
        batch: a name for what is scored, in place of the input's versions: the same batch is scored once.
        experiment: the experiment of MLflow that gets the run.
        runs_table: the Delta table that gets a row for the run.

    Raises:
        JobInvalidError: the arguments contradict each other.
        PredictError: there is no such model, version or alias.
        TableNotFoundError: there is no such input.
        pyspark.errors.AnalysisException: the query is wrong, or PREDICT cannot be bound to it.
        InputUnsuitableError: what was scored before, or has changed, cannot be told.
        KeyInvalidError: the key does not tell the rows apart.
        OutputNamesError: a column of the forecast has a name that Delta Lake does not take.
        OutputSchemaError: the forecast does not fit the output.
        WriteConflictError: others wrote to the output each time it was tried.

    Example:
        >>> from lakepredict import lakehouse
        >>> lakehouse.score(
        ...     spark,
        ...     "sales_forecast",
        ...     "champion",
        ...     "next_week",
        ...     "forecasts",
        ...     key=["store", "week"],
        ...     mode="merge",
        ... )  # doctest: +SKIP
    """
    return run_job(
        spark,
        Job(
            model=model,
            version=version,
            input=input,
            output=output,
            key=tuple([key] if isinstance(key, str) else key),
            mode=mode,
            prediction=prediction,
            arguments=tuple([arguments] if isinstance(arguments, str) else arguments),
            columns=tuple([columns] if isinstance(columns, str) else columns),
            replace_where=replace_where,
            partition_by=tuple([partition_by] if isinstance(partition_by, str) else partition_by),
            evolve=evolve,
            column_mapping=column_mapping,
            rescore=rescore,
            name=name,
            batch=batch,
            experiment=experiment,
            runs_table=runs_table,
        ),
    )


def run_job(spark: SparkSession, job: Job) -> Scoring:
    """Run a job; see :func:`score`."""
    job.check()
    started, begun = datetime.now(timezone.utc), time.perf_counter()
    model = _registry.resolve(_registry.ModelReference.parse(job.model, job.version))
    title = f"{model.name} v{model.version}"
    run = ScoringRun(job.experiment, f"score {job.title} with {title}", job.title)
    try:
        scoring = _output.within_attempts(
            spark, job.output, lambda: _Attempt(spark, job, model, run, started, begun).run()
        )
        keep_row = asdict(scoring)
        _output.within_attempts(spark, job.runs_table, lambda: _keep(spark, job, keep_row))
        run.finish(
            {"model": model.name, "model_version": model.version, "input": job.input, "output": job.output,
             "mode": job.mode},
            {name: float(keep_row[name]) for name in ("rows_in", "rows_scored", "null_predictions", "seconds")},
            scoring.status,
        )  # fmt: skip
    except BaseException as exc:
        run.fail(exc)
        raise
    _log.info("%s: %s with %s, %d rows in %.1f s", job.output, scoring.status, title, scoring.rows_in, scoring.seconds)
    return scoring


def _keep(spark: SparkSession, job: Job, row: dict[str, object]) -> None:
    with _output.only_writer(spark, job.runs_table):
        keep(spark, job.runs_table, row)


class _Attempt:
    """One attempt at a job: what is decided and written is as of now."""

    def __init__(
        self,
        spark: SparkSession,
        job: Job,
        model: _registry.ResolvedModel,
        run: ScoringRun,
        started: datetime,
        begun: float,
    ) -> None:
        self._spark, self._job, self._model, self._run = spark, job, model, run
        self._started, self._begun = started, begun

    def run(self) -> Scoring:
        with _output.only_writer(self._spark, self._job.output):
            try:
                return self._score(_input.changes)
            except Exception as exc:
                if not (self._job.mode == "incremental" and _input.is_vacuumed(exc)):
                    raise
                _log.warning("%s: VACUUM has removed what tells the changes", self._job.input)
                return self._score(lambda *_: None)

    def _score(self, changes: Callable[[SparkSession, str, int, int], DataFrame | None]) -> Scoring:
        job, spark = self._job, self._spark
        rows, tables, others = _input.read(spark, job)
        self._input_version = tables[0].version if len(tables) == 1 else None
        _input.require_columns(rows, job)
        source = _plan.source_of(job, [(each.identifier, each.version) for each in tables], others)
        exists = spark.catalog.tableExists(job.output)
        before = _plan.scored_before(job, _jvm.transactions(spark, job.output) if exists else {})
        decision = _plan.decide(job, before, source, self._model_text())
        self._run.reads(rows, tables)
        if decision.what == "nothing":
            return self._told("nothing new", None, 0, 0)
        if decision.since is not None:
            rows = self._changed(changes, decision.since) or rows
        forecast = self._forecast(rows)
        if job.key and job.mode != "overwrite":
            _input.require_key(rows, job.key)
        return self._write(forecast, decision, merges=exists and job.merges)

    def _model_text(self) -> str:
        return f"{self._model.name}/{self._model.version}/{_plan.digest('|'.join(self._model.identity))}"

    def _changed(
        self, changes: Callable[[SparkSession, str, int, int], DataFrame | None], since: int
    ) -> DataFrame | None:
        """The rows that changed after a version; None for all, where that cannot be told and does no harm."""
        job, until = self._job, self._input_version
        assert until is not None
        changed = changes(self._spark, job.input, since, until)
        if changed is None and not job.key:
            raise InputUnsuitableError(
                f"What has changed since version {since} of `{job.input}` cannot be told any more.",
                expected=f"version {since} of the input, which was scored last",
                got=f"version {until}, and a log or files that do not reach back so far",
                hint="give a key, and all rows are scored again and merged.",
            )
        return changed

    def _forecast(self, rows: DataFrame) -> DataFrame:
        """Return the rows to write, whose names and types the output can have; none is scored yet."""
        job, spark = self._job, self._spark
        table = _output.described(spark, job.output, column_mapping=job.column_mapping)
        facts = {
            "model_name": F.lit(self._model.name),
            "model_version": F.lit(self._model.version).cast("bigint"),
            "run_id": F.lit(self._model.run_id).cast("string"),
            "scored_at": F.lit(self._started).cast("timestamp"),
            "input_version": F.lit(self._input_version).cast("bigint"),
        }
        forecast = _forecast.forecast(rows, job, self._model, facts, table)
        if table.exists:
            there = spark.table(job.output).schema
            _plan.require_fit(job.output, there, forecast.schema, mode=job.mode, evolve=job.evolve)
        return forecast

    def _write(self, forecast: DataFrame, decision: _plan.Decision, *, merges: bool) -> Scoring:
        job = self._job
        _log.info("scoring %s with %s v%d into %s", job.input, self._model.name, self._model.version, job.output)
        if not merges:
            _output.write(forecast, job, decision, self._facts())
            return self._written()
        # MERGE reads its source twice.
        kept = forecast.persist()
        try:
            if kept.isEmpty():
                return self._told("nothing new", None, 0, 0)
            _output.write(kept, job, decision, self._facts())
        finally:
            kept.unpersist()
        return self._written()

    def _written(self) -> Scoring:
        """What became of the write; nothing, if another process made the same one in the meantime."""
        job, spark = self._job, self._spark
        version = _output.version_written(spark, job.output, self._run.run_id)
        if version is None:
            return self._told("nothing new", None, 0, 0)
        _output.describe(spark, job.output, self._facts())
        written = spark.read.option("versionAsOf", version).table(job.output)
        self._run.wrote(written, job.output, version)
        counted = written.where(F.col("scored_at") == F.lit(self._started).cast("timestamp")).agg(
            F.count(F.lit(1)), F.count(F.col(quoted(job.prediction)))
        )
        return self._told("scored", version, *counted.collect()[0])

    def _facts(self) -> dict[str, object]:
        return {
            "model_name": self._model.name,
            "model_version": self._model.version,
            "run_id": self._model.run_id,
            "scored_at": self._started.isoformat(timespec="seconds"),
            "input": self._job.input,
            "input_version": self._input_version,
            "scoring_run_id": self._run.run_id,
        }

    def _told(self, status: str, version: int | None, rows: int, predicted: int) -> Scoring:
        return Scoring(
            status=status,
            scoring_run_id=self._run.run_id,
            job=self._job.title,
            model_name=self._model.name,
            model_version=self._model.version,
            run_id=self._model.run_id,
            input=self._job.input,
            input_version=self._input_version,
            output=self._job.output,
            output_version=version,
            mode=self._job.mode,
            rows_in=rows,
            rows_scored=predicted,
            null_predictions=rows - predicted,
            seconds=time.perf_counter() - self._begun,
            started_at=self._started,
            finished_at=datetime.now(timezone.utc),
        )
