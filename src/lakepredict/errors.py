"""Every error that lakepredict raises, each with a name, what was expected, what was given, and a hint.

The tree::

    LakepredictError
    ├── SessionError                    a SparkSession that PREDICT cannot live in
    │   ├── SparkConnectError
    │   ├── SparkVersionError
    │   ├── LakehouseNotFoundError
    │   ├── LakehouseMismatchError
    │   ├── DeltaJarsError
    │   └── DeltaVersionError
    ├── DataFileError                   an input file that cannot be read as it should be
    ├── StatementError                  SQL statements that cannot be run as they are given
    │   ├── StatementUnfinishedError
    │   └── RepeatedColumnsError
    ├── TrackingError                   MLflow has not what is asked for, or not in a usable form
    │   ├── StoreNotFoundError
    │   ├── StoreUnavailableError
    │   ├── ExperimentNotFoundError
    │   ├── RunNotFoundError
    │   ├── MetricNotFoundError
    │   ├── MetricModeError
    │   ├── FilterInvalidError
    │   ├── RunModelError
    │   ├── RegisteredModelNotFoundError
    │   ├── AliasInvalidError
    │   ├── ModelFormatError
    │   ├── UserInterfaceError
    │   └── FitError
    ├── JobError                        a table that cannot be scored into another
    │   ├── JobInvalidError
    │   ├── InputUnsuitableError
    │   ├── TableNotFoundError
    │   ├── KeyInvalidError
    │   ├── OutputNamesError
    │   ├── OutputSchemaError
    │   ├── WriteConflictError
    │   └── EvaluationError
    ├── ReportError                     a report that cannot be written
    │   ├── ReportTableError
    │   ├── ReportColumnError
    │   ├── ReportEmptyError
    │   ├── ReportGrainError
    │   ├── ReportTotalsError
    │   └── ReportFileError
    ├── ServerError                     a server for BI tools that cannot run as it is asked to
    │   ├── ServerInsecureError
    │   ├── ServerSettingError
    │   └── ServerPortError
    ├── ReadOnlyError                   SERVER_READ_ONLY
    ├── ScoringError                    a batch that cannot be scored, in a Python worker
    │   ├── ModelUnloadableError        PREDICT_MODEL_UNLOADABLE
    │   ├── ModelFailedError            PREDICT_MODEL_FAILED
    │   ├── ResultInvalidError          PREDICT_RESULT_INVALID
    │   │   └── PredictionsMissingError PREDICT_RESULT_INVALID
    │   ├── InputNullError              PREDICT_INPUT_NULL
    │   ├── InputFormError              PREDICT_INPUT_FORM
    │   └── InputInvalidError           PREDICT_INPUT_INVALID
    └── PredictError                    a PREDICT call that cannot be bound
        ├── ArgumentNotConstantError    PREDICT_ARGUMENT_NOT_CONSTANT
        ├── ArgumentInvalidError        PREDICT_ARGUMENT_INVALID
        ├── ArgumentCountError          PREDICT_ARGUMENT_COUNT
        ├── ModelNotFoundError          PREDICT_MODEL_NOT_FOUND
        ├── VersionNotFoundError        PREDICT_VERSION_NOT_FOUND
        ├── AliasNotFoundError          PREDICT_ALIAS_NOT_FOUND
        ├── AliasUnsupportedError       PREDICT_ALIAS_UNSUPPORTED
        ├── RegistryUnavailableError    PREDICT_REGISTRY_UNAVAILABLE
        ├── ModelUnreadableError        PREDICT_MODEL_UNREADABLE
        ├── SignatureMissingError       PREDICT_SIGNATURE_MISSING
        ├── SignatureUnsupportedError   PREDICT_SIGNATURE_UNSUPPORTED
        ├── ModelUnsupportedError       PREDICT_MODEL_UNSUPPORTED
        ├── ColumnMissingError          PREDICT_COLUMN_MISSING
        ├── ColumnAmbiguousError        PREDICT_COLUMN_AMBIGUOUS
        ├── ColumnSwappedError          PREDICT_COLUMN_SWAPPED
        ├── ArgumentUnknownError        PREDICT_ARGUMENT_UNKNOWN
        ├── TypeUnsafeError             PREDICT_TYPE_UNSAFE
        ├── ParameterInvalidError       PREDICT_PARAMETER_INVALID
        ├── ProbabilitiesMissingError   PREDICT_PROBABILITIES_MISSING
        ├── SettingInvalidError         PREDICT_SETTING_INVALID
        ├── TrackedNotFoundError        PREDICT_TRACKED_NOT_FOUND
        ├── EvaluationUnsuitableError   PREDICT_EVALUATION_UNSUITABLE
        ├── DefinitionUnkeptError       PREDICT_DEFINITION_UNKEPT
        ├── LakehouseUnreadableError    PREDICT_LAKEHOUSE_UNREADABLE
        └── PredictInternalError        PREDICT_INTERNAL_ERROR

A :class:`PredictError` is raised while Spark analyses a query. Users of SQL and DataFrames see it as
``pyspark.errors.AnalysisException`` whose ``getCondition()`` is the name on the right, whose
``getMessageParameters()`` are the parameters given here, and whose ``getSqlState()`` is ``sqlstate``.
A :class:`ScoringError` is raised while the query runs; users see it in the text of Spark's own exception.
Message templates are written as Spark writes its own: ``<parameter>`` is replaced by the parameter.
"""

from __future__ import annotations

import re
from typing import ClassVar

_PLACEHOLDER = re.compile(r"<([a-zA-Z]+)>")


class LakepredictError(Exception):
    """Base of everything that lakepredict raises on purpose."""


def describe(name: str, what: str, *, expected: str, got: str, hint: str) -> str:
    """Lay an error out in the house form: name, what happened, expected, got, hint."""
    return f"[{name}] {what}\n  expected: {expected}\n  got:      {got}\n  hint: {hint}"


class _DescribedError(LakepredictError):
    """An error that is described by its raiser; ``name`` is fixed by the class."""

    name: ClassVar[str]

    def __init__(self, what: str, *, expected: str, got: str, hint: str) -> None:
        super().__init__(describe(self.name, what, expected=expected, got=got, hint=hint))
        self.parts = {"what": what, "expected": expected, "got": got, "hint": hint}


class SessionError(_DescribedError):
    """The SparkSession at hand cannot run PREDICT."""

    name = "SESSION_UNUSABLE"


class SparkConnectError(SessionError):
    """A Spark Connect client has no JVM that PREDICT could be registered in."""

    name = "SESSION_IS_SPARK_CONNECT"


class SparkVersionError(SessionError):
    """Spark is older than the oldest version that PREDICT runs on."""

    name = "SPARK_TOO_OLD"


class LakehouseNotFoundError(SessionError):
    """There is no lakehouse where one is looked for, and a command that needs one does not make it."""

    name = "LAKEHOUSE_NOT_FOUND"


class LakehouseMismatchError(SessionError):
    """A session is running already, and its tables live in another place than the lakehouse asked for."""

    name = "LAKEHOUSE_MISMATCH"


class DeltaJarsError(SessionError):
    """Delta Lake's JARs are not on the driver's class path, or cannot be fetched."""

    name = "DELTA_JARS_MISSING"


class DeltaVersionError(SessionError):
    """The Delta Lake at hand was built for other releases of Spark than the one that runs."""

    name = "DELTA_SPARK_MISMATCH"


class ServerError(_DescribedError):
    """A server for BI tools cannot run as it is asked to."""

    name = "SERVER_UNUSABLE"


class ServerInsecureError(ServerError):
    """The server would let strangers in."""

    name = "SERVER_INSECURE"


class ServerSettingError(ServerError):
    """An option of the server, or a file that one names, cannot be used."""

    name = "SERVER_SETTING_INVALID"


class ServerPortError(ServerError):
    """The server cannot listen where it is asked to."""

    name = "SERVER_PORT_UNUSABLE"


class DataFileError(_DescribedError):
    """A data file is missing, or a value in it is not what its column needs."""

    name = "DATA_FILE_INVALID"


class StatementError(_DescribedError):
    """SQL that the command line is given cannot be run, or its result not be printed, as is asked for."""

    name = "STATEMENT_UNUSABLE"


class StatementUnfinishedError(StatementError):
    """A string, a quoted name, a comment or a BEGIN in a SQL text has no end."""

    name = "STATEMENT_UNFINISHED"


class RepeatedColumnsError(StatementError):
    """Two columns of a result have one name, where names tell columns apart."""

    name = "COLUMNS_REPEATED"


class _TemplatedError(LakepredictError):
    """An error whose text is a template.

    Args:
        parameters: one string for each ``<placeholder>`` of the class's template, no more and no fewer.
    """

    condition: ClassVar[str]
    template: ClassVar[str]

    def __init__(self, **parameters: str) -> None:
        wanted = set(_PLACEHOLDER.findall(self.template))
        if wanted != set(parameters):
            raise TypeError(f"{type(self).__name__} takes {sorted(wanted)}, got {sorted(parameters)}")
        self.parameters = parameters
        text = _PLACEHOLDER.sub(lambda found: parameters[found.group(1)], self.template)
        super().__init__(f"[{self.condition}] {text}")


class ReadOnlyError(_TemplatedError):
    """A client of a read-only server asks for something else than reading.

    Clients of SQL see it as a parse or analysis error of this condition.
    """

    condition = "SERVER_READ_ONLY"
    sqlstate = "42501"
    template = (
        "This server lets its clients read, and do nothing else.\n"
        "  expected: SELECT, SHOW, DESCRIBE, EXPLAIN or USE, with tables and views of the lakehouse\n"
        "  got:      <got>\n"
        "  hint: change tables, views and settings with lakepredict sql, or ask whoever runs the server."
    )


class ScoringError(_TemplatedError):
    """A batch that cannot be scored; fails the query as the text of a ``pyspark.errors.PySparkException``."""


class ModelUnloadableError(ScoringError):
    """A Python worker cannot load the model."""

    condition = "PREDICT_MODEL_UNLOADABLE"
    template = (
        "<model> cannot be loaded in a Python worker.\n"
        "  expected: a model that loads with the executor's packages\n"
        "  got:      <reason>\n"
        "  hint: <hint>"
    )


class ModelFailedError(ScoringError):
    """The model raised an error."""

    condition = "PREDICT_MODEL_FAILED"
    template = (
        "<model> failed on a batch of <rows> rows.\n"
        "  expected: a prediction for each row\n"
        "  got:      <reason>\n"
        "  hint: TRY_PREDICT gives NULL for the rows that a model fails on, and scores the others."
    )


class ResultInvalidError(ScoringError):
    """The model gave something else than its signature promises."""

    condition = "PREDICT_RESULT_INVALID"
    template = (
        "<model> gave a result that does not fit its signature.\n"
        "  expected: <expected>\n"
        "  got:      <got>\n"
        "  hint: log the model with a signature of what it gives, or mend its predict function."
    )


class PredictionsMissingError(ResultInvalidError):
    """The model gave fewer predictions than there are rows."""


class InputNullError(ScoringError):
    """An input is NULL where none may be."""

    condition = "PREDICT_INPUT_NULL"
    template = (
        "<model>: the input `<input>` is NULL.\n"
        "  expected: <expected>\n"
        "  got:      NULL in <rows> rows of a batch\n"
        "  hint: fill or filter these rows, or SET spark.lakepredict.onNull = null, which gives them a NULL prediction."
    )

    @classmethod
    def where_none_may_be(cls, model: str, name: str, rows: int = 1) -> InputNullError:
        """The error of ``spark.lakepredict.onNull = error``."""
        expected = "a value in each row, since spark.lakepredict.onNull = error"
        return cls(model=model, input=name, expected=expected, rows=str(rows))


class InputFormError(ScoringError):
    """The model's inputs, as its signature has them, are not what the model was fitted on."""

    condition = "PREDICT_INPUT_FORM"
    template = (
        "<model> cannot take its inputs as its signature has them.\n"
        "  expected: <expected>\n"
        "  got:      <got>\n"
        "  hint: <hint>"
    )


class InputInvalidError(ScoringError):
    """An input has a value that the model cannot take, though its type is right."""

    condition = "PREDICT_INPUT_INVALID"
    template = (
        "<model>: a value of the input `<input>` does not fit.\n"
        "  expected: <expected>\n"
        "  got:      <got>\n"
        "  hint: mend these rows, or use TRY_PREDICT, which gives them a NULL prediction."
    )


class PredictError(_TemplatedError):
    """A PREDICT call that cannot be bound; becomes an ``AnalysisException`` of the same condition."""

    sqlstate: ClassVar[str]


class ArgumentNotConstantError(PredictError):
    """The model, the version or ``params`` varies by row, so the call cannot be bound when the query is analysed."""

    condition = "PREDICT_ARGUMENT_NOT_CONSTANT"
    sqlstate = "42K09"
    template = (
        "The <argument> of <function> must be a constant, because the model is bound when the query is analysed.\n"
        "  expected: a literal, a parameter marker or a session variable, for example <example>\n"
        "  got:      <expression>\n"
        "  hint: <hint>"
    )


class ArgumentInvalidError(PredictError):
    """The model, the version or ``params`` is a constant of a wrong type, NULL or empty."""

    condition = "PREDICT_ARGUMENT_INVALID"
    sqlstate = "22023"
    template = "The <argument> of <function> is not usable.\n  expected: <expected>\n  got:      <got>\n  hint: <hint>"


class ArgumentCountError(PredictError):
    """The arguments fit the model's inputs neither by name nor by number."""

    condition = "PREDICT_ARGUMENT_COUNT"
    sqlstate = "42605"
    template = (
        "<call>: the number of arguments does not fit the model's inputs, which are taken by position here, <reason>.\n"
        "  expected: <expected>\n"
        "  got:      <got>\n"
        "  hint: <hint>"
    )


class ModelNotFoundError(PredictError):
    """No registered model has this name."""

    condition = "PREDICT_MODEL_NOT_FOUND"
    sqlstate = "42704"
    template = (
        "<call>: there is no registered model `<model>`.\n"
        "  expected: <known>   (registry: <registry>)\n"
        "  got:      `<model>`\n"
        "  hint: <hint>"
    )


class VersionNotFoundError(PredictError):
    """The registered model has no such version."""

    condition = "PREDICT_VERSION_NOT_FOUND"
    sqlstate = "42704"
    template = (
        "<call>: the registered model `<model>` has no version <version>.\n"
        "  expected: <known>   (registry: <registry>)\n"
        "  got:      <version>\n"
        "  hint: <hint>"
    )


class AliasNotFoundError(PredictError):
    """The registered model has no such alias."""

    condition = "PREDICT_ALIAS_NOT_FOUND"
    sqlstate = "42704"
    template = (
        "<call>: the registered model `<model>` has no alias '<alias>'.\n"
        "  expected: <known>   (registry: <registry>)\n"
        "  got:      '<alias>'\n"
        "  hint: <hint>"
    )


class AliasUnsupportedError(PredictError):
    """The registry has no aliases, or MLflow cannot ask it for them."""

    condition = "PREDICT_ALIAS_UNSUPPORTED"
    sqlstate = "0A000"
    template = (
        "<call>: the registry has no aliases.\n"
        "  expected: <known>   (registry: <registry>)\n"
        "  got:      the alias '<alias>'\n"
        "  hint: name the version by its number, or as 'latest'."
    )


class RegistryUnavailableError(PredictError):
    """The MLflow registry gave no usable answer."""

    condition = "PREDICT_REGISTRY_UNAVAILABLE"
    sqlstate = "58030"
    template = (
        "<call>: the MLflow registry gave no usable answer.\n"
        "  expected: a registry at <registry>\n"
        "  got:      <reason>\n"
        "  hint: check MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI, and that the server runs."
    )


class ModelUnreadableError(PredictError):
    """The version is registered, but its files cannot be read."""

    condition = "PREDICT_MODEL_UNREADABLE"
    sqlstate = "58030"
    template = (
        "<call>: the files of the model cannot be read.\n"
        "  expected: an MLflow model at <source>\n"
        "  got:      <reason>\n"
        "  hint: <hint>"
    )

    def __init__(self, *, hint: str | None = None, **parameters: str) -> None:
        usual = "check that the artifact store is reachable from the driver and that the files were not deleted."
        super().__init__(hint=hint or usual, **parameters)


class SignatureMissingError(PredictError):
    """The model was logged without a signature, so neither its inputs nor its result type are known."""

    condition = "PREDICT_SIGNATURE_MISSING"
    sqlstate = "42809"
    template = (
        "<call>: the model has no <part>.\n"
        "  expected: a signature with inputs and outputs\n"
        "  got:      <got>\n"
        "  hint: add one with mlflow.models.set_signature('<source>',"
        " mlflow.models.infer_signature(inputs, model.predict(inputs)))."
    )


class SignatureUnsupportedError(PredictError):
    """The signature has a type or a shape that has no SQL type."""

    condition = "PREDICT_SIGNATURE_UNSUPPORTED"
    sqlstate = "0A000"
    template = (
        "<call>: the model's signature cannot be expressed in SQL.\n"
        "  expected: <expected>\n"
        "  got:      <got>\n"
        "  hint: log the model with a signature of other types."
    )


class ModelUnsupportedError(PredictError):
    """The model computes something that cannot be part of a query row by row."""

    condition = "PREDICT_MODEL_UNSUPPORTED"
    sqlstate = "0A000"
    template = (
        "<call>: this model cannot be used inside a query.\n  expected: <expected>\n  got:      <got>\n  hint: <hint>"
    )


class ColumnMissingError(PredictError):
    """A required input of the model is provided by no argument."""

    condition = "PREDICT_COLUMN_MISSING"
    sqlstate = "42703"
    template = (
        "<call> needs <missing>, which no argument provides.\n"
        "  expected: <expected>   (signature of <uri>)\n"
        "  got:      <got>\n"
        "  hint: add what is missing; name => expression says what an input is fed with."
    )


class ColumnAmbiguousError(PredictError):
    """Two arguments have the name of one input."""

    condition = "PREDICT_COLUMN_AMBIGUOUS"
    sqlstate = "42702"
    template = (
        "<call>: more than one argument is called `<input>`.\n"
        "  expected: one argument for the input `<input>`\n"
        "  got:      <got>\n"
        "  hint: name one of them, for example PREDICT(model, version, <input> => t.<input>, ...),"
        " or pass t.* of one table."
    )


class ColumnSwappedError(PredictError):
    """An argument stands at the position of one input and has the name of another."""

    condition = "PREDICT_COLUMN_SWAPPED"
    sqlstate = "42K09"
    template = (
        "<call>: the argument `<argument>` stands at the position of the input `<input>`, but another input"
        " has its name.\n"
        "  expected: <expected>   (signature of <uri>)\n"
        "  got:      <got>\n"
        "  hint: put the arguments in the order of the signature, pass * to bind by name, or name the one that is"
        " meant: <input> => <argument>."
    )


class ArgumentUnknownError(PredictError):
    """A named argument names nothing that the model takes."""

    condition = "PREDICT_ARGUMENT_UNKNOWN"
    sqlstate = "42703"
    template = (
        "<call>: the model has no input `<argument>`.\n"
        "  expected: <expected>   (signature of <uri>)\n"
        "  got:      <argument> => ...\n"
        "  hint: name an input of the signature."
    )


class TypeUnsafeError(PredictError):
    """An argument would have to be narrowed or reinterpreted to fit its input."""

    condition = "PREDICT_TYPE_UNSAFE"
    sqlstate = "42K09"
    template = (
        "<call>: <argument> cannot become the input `<input>` without a possible loss.\n"
        "  expected: <expected>   (signature of <uri>)\n"
        "  got:      <got>\n"
        "  hint: <hint>"
    )


class ParameterInvalidError(PredictError):
    """An inference parameter is unknown to the model, or has a value of a wrong type."""

    condition = "PREDICT_PARAMETER_INVALID"
    sqlstate = "22023"
    template = (
        "<call>: the parameter '<parameter>' does not fit the model's signature.\n"
        "  expected: <expected>   (signature of <uri>)\n"
        "  got:      <got>\n"
        "  hint: params => map('name', value), or params => named_struct('a', 0.5, 'b', 'fast') for values of"
        " several types."
    )


class ProbabilitiesMissingError(PredictError):
    """The model is no classifier that gives probabilities."""

    condition = "PREDICT_PROBABILITIES_MISSING"
    sqlstate = "0A000"
    template = (
        "<call>: the model gives no class probabilities.\n"
        "  expected: a classifier of scikit-learn, XGBoost, LightGBM, CatBoost or Spark ML that gives probabilities\n"
        "  got:      <got>\n"
        "  hint: use PREDICT."
    )


class SettingInvalidError(PredictError):
    """A setting of lakepredict has a value that means nothing."""

    condition = "PREDICT_SETTING_INVALID"
    sqlstate = "22023"
    template = (
        "The setting <setting> is not usable.\n"
        "  expected: <expected>\n"
        "  got:      <got>\n"
        "  hint: SET <setting> = <example>, or RESET <setting>."
    )


class TrackedNotFoundError(PredictError):
    """An experiment, a run or a registered model that a table function is asked for is not there."""

    condition = "PREDICT_TRACKED_NOT_FOUND"
    sqlstate = "42704"
    template = "<what>\n  expected: <expected>\n  got:      <got>\n  hint: <hint>"


class EvaluationUnsuitableError(PredictError):
    """Tables that ``evaluate_forecast`` is to compare cannot be compared."""

    condition = "PREDICT_EVALUATION_UNSUITABLE"
    sqlstate = "42K09"
    template = TrackedNotFoundError.template


class DefinitionUnkeptError(PredictError):
    """The file of a schema, a view, a function or an external table cannot be written or deleted."""

    condition = "PREDICT_DEFINITION_UNKEPT"
    sqlstate = "58030"
    template = (
        "The <kind> `<name>` cannot be kept in the lakehouse, and is left as it was.\n"
        "  expected: a file <path> that can be written and deleted\n"
        "  got:      <reason>\n"
        "  hint: check that the user of this session may write to the lakehouse; CREATE TEMPORARY VIEW needs no file."
    )


class LakehouseUnreadableError(PredictError):
    """The folder of the lakehouse cannot be looked at."""

    condition = "PREDICT_LAKEHOUSE_UNREADABLE"
    sqlstate = "58030"
    template = (
        "The lakehouse cannot be searched for tables, views and functions.\n"
        "  expected: a folder <folder> that can be listed\n"
        "  got:      <reason>\n"
        "  hint: check that the file system answers, and that the user of this session may read the lakehouse."
    )


class PredictInternalError(PredictError):
    """A defect in lakepredict, not in the query."""

    condition = "PREDICT_INTERNAL_ERROR"
    sqlstate = "XX000"
    template = (
        "PREDICT failed while the query was analysed, in a way that it should not.\n"
        "  expected: an expression or an error of its own\n"
        "  got:      <reason>\n"
        "  hint: this is a defect of lakepredict; please report it with the traceback in the driver's log."
    )


def scoring_errors() -> list[type[ScoringError]]:
    """All conditions of errors in Python workers, sorted by name."""
    return sorted(ScoringError.__subclasses__(), key=lambda error: error.condition)


def predict_errors() -> list[type[PredictError]]:
    """All PREDICT conditions, sorted by name: what is made known to Spark and listed in the documentation."""
    return sorted(PredictError.__subclasses__(), key=lambda error: error.condition)


class TrackingError(_DescribedError):
    """MLflow does not have what is asked for, or not in a form that can be used."""


class StoreNotFoundError(TrackingError):
    """There is no MLflow store where one is looked for, and none is made."""

    name = "STORE_NOT_FOUND"


class StoreUnavailableError(TrackingError):
    """MLflow's store gave no usable answer."""

    name = "STORE_UNAVAILABLE"


class ExperimentNotFoundError(TrackingError):
    """No experiment has this name or id."""

    name = "EXPERIMENT_NOT_FOUND"


class RunNotFoundError(TrackingError):
    """No run has this id, or several begin with it."""

    name = "RUN_NOT_FOUND"


class MetricNotFoundError(TrackingError):
    """No run that could be the best has this metric."""

    name = "METRIC_NOT_FOUND"


class MetricModeError(TrackingError):
    """Whether more or less of a metric is better is not known."""

    name = "METRIC_MODE_UNKNOWN"


class FilterInvalidError(TrackingError):
    """A filter of runs is not of the form that MLflow understands."""

    name = "FILTER_INVALID"


class RunModelError(TrackingError):
    """A run has no model to register, several, or one that PREDICT cannot use."""

    name = "RUN_MODEL_UNUSABLE"


class RegisteredModelNotFoundError(TrackingError):
    """No registered model has this name."""

    name = "REGISTERED_MODEL_NOT_FOUND"


class AliasInvalidError(TrackingError):
    """A word that MLflow or PREDICT reads as something else, or does not take, cannot be an alias."""

    name = "ALIAS_INVALID"


class ModelFormatError(TrackingError):
    """A model cannot be logged so that PREDICT gives one value a row."""

    name = "MODEL_FORMAT_UNSUITABLE"


class UserInterfaceError(TrackingError):
    """MLflow's user interface does not start."""

    name = "UI_NOT_STARTED"


class FitError(TrackingError):
    """An estimator of Spark ML cannot be fitted and judged on the data that is given."""

    name = "FIT_UNSUITABLE"


class JobError(_DescribedError):
    """A table cannot be scored into another one."""


class JobInvalidError(JobError):
    """What a scoring job asks for contradicts itself, or is not in the form of a job."""

    name = "JOB_INVALID"


class InputUnsuitableError(JobError):
    """The input of a scoring job cannot be read as its mode needs it."""

    name = "INPUT_UNSUITABLE"


class TableNotFoundError(JobError):
    """A table or view that is to be read is not there."""

    name = "TABLE_NOT_FOUND"


class KeyInvalidError(JobError):
    """The key of a scoring job does not tell the rows of its input apart."""

    name = "KEY_INVALID"


class OutputSchemaError(JobError):
    """The forecast does not fit the output table that is there."""

    name = "OUTPUT_SCHEMA_DIFFERS"


class OutputNamesError(JobError):
    """A column of a table that is to be written has a name that Delta Lake does not take there."""

    name = "OUTPUT_NAMES_UNSUITABLE"


class WriteConflictError(JobError):
    """Others wrote to the output table each time that it was tried."""

    name = "WRITE_CONFLICT"


class EvaluationError(JobError):
    """Predictions cannot be compared with what happened."""

    name = "EVALUATION_UNSUITABLE"


class ReportError(_DescribedError):
    """A report cannot be written."""


class ReportTableError(ReportError):
    """A table that a report tells of does not exist."""

    name = "REPORT_TABLE_NOT_FOUND"


class ReportColumnError(ReportError):
    """A column that a report needs is not there, is of another type, or cannot be told from others."""

    name = "REPORT_COLUMN_UNSUITABLE"


class ReportEmptyError(ReportError):
    """There is no forecast that a report could tell of."""

    name = "REPORT_EMPTY"


class ReportGrainError(ReportError):
    """Forecasts and actual values are not for the same spans of time, or for spans that a report does not compare."""

    name = "REPORT_GRAIN_UNSUITABLE"


class ReportTotalsError(ReportError):
    """A report does not add up to what its tables add up to."""

    name = "REPORT_TOTALS_DIFFER"


class ReportFileError(ReportError):
    """The file of a report cannot be written."""

    name = "REPORT_FILE_UNWRITABLE"
