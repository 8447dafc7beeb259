"""Every type that a signature can have as a result has an Arrow type that is PySpark's own."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql import types as T
from pyspark.sql.pandas.types import from_arrow_type

from lakepredict import _signature
from lakepredict._arrow_types import arrow_type

SCALARS = {str(kind): kind for kind in (*_signature.SPARK_TYPES.values(), *_signature.TENSOR_TYPES.values())}
NESTED = [
    T.ArrayType(T.ArrayType(T.DoubleType())),
    T.MapType(T.StringType(), T.LongType()),
    T.StructType([T.StructField("low", T.DoubleType()), T.StructField("when", T.TimestampType())]),
    T.ArrayType(T.StructType([T.StructField("label", T.StringType())])),
]


@pytest.mark.parametrize("kind", [*SCALARS.values(), *NESTED], ids=str)
def test_there_and_back(kind: T.DataType) -> None:
    """PySpark reads the Arrow type as the Spark type that it stands for."""
    assert kind == from_arrow_type(arrow_type(kind))


def test_instants() -> None:
    """A TIMESTAMP is an instant in UTC."""
    assert arrow_type(T.TimestampType()) == pa.timestamp("us", "UTC")
