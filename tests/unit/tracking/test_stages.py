"""Stages of Spark ML, made of Python alone: what they are called, how they are set, what they read and make."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.ml import Estimator, Pipeline, Transformer
from pyspark.ml.evaluation import Evaluator
from pyspark.ml.param import Param, Params
from pyspark.ml.param.shared import (
    HasFeaturesCol,
    HasInputCol,
    HasInputCols,
    HasLabelCol,
    HasOutputCol,
    HasPredictionCol,
    HasRegParam,
)
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder, TrainValidationSplit

from lakepredict.tracking import _stages


class Number(Transformer, HasInputCol, HasOutputCol):
    """Makes one column of one."""

    def __init__(self, read: str, made: str) -> None:
        super().__init__()
        self._set(inputCol=read, outputCol=made)

    def _transform(self, dataset: Any) -> Any:
        return dataset


class InPlace(Transformer, HasInputCol):
    """Changes a column in place."""

    def __init__(self, read: str) -> None:
        super().__init__()
        self._set(inputCol=read)

    def _transform(self, dataset: Any) -> Any:
        return dataset


class Unknown(Transformer):
    """Reads and makes columns that no parameter names."""

    def _transform(self, dataset: Any) -> Any:
        return dataset


class Assembler(Transformer, HasInputCols, HasOutputCol):
    """Makes one column of several."""

    def __init__(self, read: list[str], made: str = "features") -> None:
        super().__init__()
        self._set(inputCols=read, outputCol=made)

    def _transform(self, dataset: Any) -> Any:
        return dataset


class Regression(Estimator[Any], HasFeaturesCol, HasLabelCol, HasPredictionCol, HasRegParam):
    """Predicts a label."""

    def __init__(self, label: str = "sales") -> None:
        super().__init__()
        self._setDefault(regParam=0.0)
        self._set(labelCol=label)

    def _fit(self, dataset: Any) -> Any:
        return dataset


class Score(Evaluator, HasLabelCol):
    """Judges a prediction."""

    metricName: Param[str] = Param(Params._dummy(), "metricName", "the metric")  # noqa: N815

    def __init__(self) -> None:
        super().__init__()
        self._setDefault(metricName="rmse")

    def getMetricName(self) -> str:  # noqa: N802
        return str(self.getOrDefault(self.metricName))

    def _evaluate(self, dataset: Any) -> float:
        return 0.0


@pytest.fixture
def regression() -> Regression:
    """The last stage."""
    return Regression()


@pytest.fixture
def pipeline(regression: Regression) -> Pipeline:
    """Two numbers made of columns, assembled, and a regression."""
    stages = [Number("plan", "plan_number"), Number("city", "city_number")]
    return Pipeline(stages=[*stages, Assembler(["plan_number", "city_number", "visits"]), regression])


@pytest.fixture(params=[CrossValidator, TrainValidationSplit])
def search(request: pytest.FixtureRequest, pipeline: Pipeline, regression: Regression) -> Any:
    """A search over two sets of parameters of the regression."""
    sets = ParamGridBuilder().addGrid(regression.regParam, [0.5, 2.0]).build()
    return request.param(estimator=pipeline, estimatorParamMaps=sets, evaluator=Score())


def test_names(pipeline: Pipeline) -> None:
    """A part is called by its class, with a number where several are of one class."""
    names = _stages.names_of(pipeline)
    expected = ["Number_1", "Number_2", "Assembler", "Regression"]

    assert [names[each.uid] for each in pipeline.getStages()] == expected
    assert names[pipeline.uid] == "Pipeline"


def test_parameters(pipeline: Pipeline) -> None:
    """Each parameter of each stage is there under the stage's name, also where it is left at its default."""
    found = _stages.parameters(pipeline, _stages.names_of(pipeline))

    assert found["stages"] == ["Number_1", "Number_2", "Assembler", "Regression"]
    assert found["Number_2.inputCol"] == "city"
    assert found["Regression.regParam"] == 0.0
    assert found["Assembler.inputCols"] == ["plan_number", "city_number", "visits"]


def test_parameters_of_a_search(search: Any) -> None:
    """A search has its own parameters and its evaluator's; those of what it tries are in the child runs."""
    names = _stages.names_of(search)
    found = _stages.parameters(search, names)
    tried = [_stages.set_of(each, names) for each in search.getEstimatorParamMaps()]

    assert (found["estimator"], found["evaluator"]) == ("Pipeline", "Score")
    assert found["Score.metricName"] == "rmse"
    assert not [name for name in found if "Regression" in name or "estimatorParamMaps" in name]
    assert tried == [{"Regression.regParam": 0.5}, {"Regression.regParam": 2.0}]


def test_search_is_found_in_a_pipeline(search: Any, pipeline: Pipeline) -> None:
    """A search may be a stage; its stages are those that it tries."""
    outer = Pipeline(stages=[Number("a", "b"), search])

    assert _stages.search_in(outer) is search
    assert _stages.search_in(pipeline) is None
    assert [type(each).__name__ for each in _stages.flat(outer)] == [
        "Number", "Number", "Number", "Assembler", "Regression",
    ]  # fmt: skip


def test_sources(pipeline: Pipeline) -> None:
    """The sources of a prediction are the columns that no stage makes; the label is none."""
    assert _stages.sources(pipeline.getStages(), {"prediction"}) == {"plan", "city", "visits"}


def test_sources_of_the_label() -> None:
    """A stage that makes the label alone counts for the label, and not for the prediction."""
    stages = [Number("city", "label"), Assembler(["visits"]), Regression("label")]

    assert _stages.sources(stages, {"prediction"}) == {"visits"}
    assert _stages.sources(stages[:-1], {"label"}) == {"city"}


def test_sources_in_place() -> None:
    """A stage that changes a column in place reads it."""
    stages = [Assembler(["visits"], "raw"), InPlace("raw"), Number("raw", "features"), Regression()]

    assert _stages.sources(stages, {"prediction"}) == {"visits"}


def test_sources_of_a_column_that_is_made_anew() -> None:
    """A column that a stage makes of itself is a source."""
    assert _stages.sources([Number("visits", "visits"), Assembler(["visits"])], {"features"}) == {"visits"}


def test_sources_that_cannot_be_told() -> None:
    """Where a stage names no columns, the sources are unknown rather than guessed."""
    assert _stages.sources([Unknown(), Assembler(["visits"]), Regression()], {"prediction"}) is None


def test_predictor(pipeline: Pipeline, regression: Regression) -> None:
    """The last stage with a prediction column predicts, also where another stage comes after it."""
    stages = [*pipeline.getStages(), Number("prediction", "text")]

    assert _stages.predictor_in(stages) is regression
    assert _stages.label_of(regression) == "sales"
    assert _stages.predictor_in(stages[:2]) is None


def test_last_output(pipeline: Pipeline) -> None:
    """The result is what the last stage makes: a prediction, or what is made of it."""
    stages = pipeline.getStages()

    assert _stages.last_output(stages) == "prediction"
    assert _stages.last_output([*stages, Number("prediction", "text")]) == "text"
    assert _stages.last_output([Unknown()]) is None


def test_packages(pipeline: Pipeline) -> None:
    """A stage of another package than Spark's needs that package."""
    assert _stages.packages_of([*pipeline.getStages(), Pipeline(stages=[])]) == {__name__.partition(".")[0]}


def test_metric_of_an_evaluator_without_a_name() -> None:
    """An evaluator that does not name its metric gives it its own name."""

    class Profit(Evaluator):
        def _evaluate(self, dataset: Any) -> float:
            return 1.0

    assert [_stages.metric_of(each) for each in (Score(), Profit())] == ["rmse", "Profit"]
