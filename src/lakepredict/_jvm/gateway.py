"""The JVM of a session: Java classes by name, Scala collections, and the package's own classes in Java.

These are a few files (``lakepredict/java/``), compiled in the driver by the Janino that Spark ships.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark import SparkContext
from pyspark.sql import SparkSession
from pyspark.sql import types as T

RECORD, FIELD = "\x1e", "\x1f"
"""What stands between records, and between their fields, in texts that the builder in Java gives and takes."""


class Gateway:
    """The JVM of a session: Java classes by name, Scala collections from Python ones."""

    def __init__(self, context: SparkContext) -> None:
        self.java: Any = context._jvm
        self.py4j: Any = context._gateway

    @classmethod
    def of(cls, spark: SparkSession) -> Gateway:
        return cls(spark.sparkContext)

    def __call__(self, name: str) -> Any:
        """The class of that name; names that begin with ``catalyst.`` are below Spark SQL's own."""
        return getattr(self.java, f"org.apache.spark.sql.{name}" if name.startswith("catalyst.") else name)

    def seq(self, items: Sequence[Any]) -> Any:
        return self.java.PythonUtils.toSeq(list(items))

    def option(self, value: Any = None) -> Any:
        return self.java.scala.Option.apply(value)

    def class_loader(self) -> Any:
        return self.java.java.lang.Thread.currentThread().getContextClassLoader()


def items(seq: Any) -> list[Any]:
    """The elements of a Scala Seq."""
    return [seq.apply(position) for position in range(seq.size())]


def class_name(node: Any) -> str:
    """The name of a plan node's or an expression's class."""
    return str(node.getClass().getSimpleName())


def java_message(exc: BaseException) -> str | None:
    """The message of a Java exception that PySpark has no class of its own for, down to its first cause; or None."""
    if not isinstance(exc, Py4JJavaError):
        return None
    cause = exc.java_exception
    while cause.getCause() is not None:
        cause = cause.getCause()
    return str(cause.getMessage() or cause.toString())


def new(gateway: Gateway, name: str, *arguments: Any) -> Any:
    """An object of one of the classes in Java, each of which has one constructor."""
    given = gateway.py4j.new_array(gateway("java.lang.Object"), len(arguments))
    for position, argument in enumerate(arguments):
        given[position] = argument
    return _compiled(gateway.py4j, name).getConstructors()[0].newInstance(given)


_BUILT_ON = {
    "org.lakepredict.OnlyWhereNeeded": "org.lakepredict.Calls",
    "org.lakepredict.Calls": "org.lakepredict.Needs",
    "org.lakepredict.Needs": "org.lakepredict.Conditions",
    "org.lakepredict.Conditions": "org.lakepredict.Columns",
}
"""A class that names others of the package -> the one that has to be compiled before it."""


@lru_cache(maxsize=16)
def _compiled(py4j_gateway: Any, name: str) -> Any:
    """A class in Java, compiled once per JVM: py4j mistakes two classes of one name for the same."""
    compiler = getattr(py4j_gateway.jvm, "org.codehaus.janino.SimpleCompiler")()
    if name in _BUILT_ON:
        loader = _compiled(py4j_gateway, _BUILT_ON[name]).getClassLoader()
    else:
        loader = py4j_gateway.jvm.java.lang.Thread.currentThread().getContextClassLoader()
    compiler.setParentClassLoader(loader)
    source = files("lakepredict").joinpath("java", f"{name.rpartition('.')[2]}.java")
    compiler.cook(source.read_text(encoding="utf-8"))
    return compiler.getClassLoader().loadClass(name)


def identifier(gateway: Gateway, registry: Any, name: str) -> Any:
    """``name`` with the catalog and schema that this version of Spark gives to all functions of a built-in registry."""
    known = registry.listFunction().head()
    return gateway("catalyst.FunctionIdentifier")(name, known.database(), known.catalog())


@lru_cache(maxsize=1000)
def type_of_json(text: str) -> T.DataType:
    field = {"name": "", "type": json.loads(text), "nullable": True, "metadata": {}}
    return T.StructType.fromJson({"type": "struct", "fields": [field]})[0].dataType
