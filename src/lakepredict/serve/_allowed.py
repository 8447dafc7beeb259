"""What clients of a read-only server may say. Whatever is not here is refused.

The names are those of Spark's own classes and of the fields of Spark Connect's messages. Not on the lists, for reasons
that are not plain from their names:

- the functions ``reflect``, ``java_method`` and ``try_reflect``, which call any Java method;
- ``from_avro``, ``from_protobuf``, ``from_xml`` and the like, of which some read a schema from a file;
- the table function ``python_worker_logs``, which shows what others' queries wrote;
- ``IDENTIFIER(...)``, where the name of a function or table is known only after the statement was looked at.
"""

from __future__ import annotations

from importlib.resources import files

QUERY_PLANS = (
    *("Aggregate", "Distinct", "Except", "Filter", "Generate", "GlobalLimit", "Intersect", "Join", "LateralJoin"),
    *("LocalLimit", "LocalRelation", "Offset", "OneRowRelation", "PipeOperator", "Pivot", "Project", "Range"),
    *("RelationTimeTravel", "RepartitionByExpression", "Sample", "Sort", "SubqueryAlias", "Union", "Unpivot"),
    *("UnresolvedHaving", "UnresolvedHint", "UnresolvedInlineTable", "UnresolvedRelation"),
    *("UnresolvedSubqueryColumnAliases", "UnresolvedTVFAliases", "UnresolvedTableValuedFunction", "UnresolvedWith"),
    "WithWindowDefinition",
)
"""The parts of a SELECT, as Spark's parser makes them."""

STATEMENT_PLANS = (
    *("CurrentNamespace", "DescribeColumn", "DescribeColumnCommand", "DescribeDatabaseCommand"),
    *("DescribeDeltaDetailCommand", "DescribeDeltaHistory", "DescribeDeltaHistoryCommand", "DescribeFunction"),
    *("DescribeFunctionCommand", "DescribeNamespace", "DescribeQueryCommand", "DescribeRelation"),
    *("DescribeRelationJsonCommand", "DescribeTableCommand", "ExplainCommand", "SetCatalogAndNamespace"),
    *("SetCommand", "SetNamespaceCommand", "ShowCatalogsCommand", "ShowCollationsCommand", "ShowColumns"),
    *("ShowColumnsCommand", "ShowCreateTable", "ShowCreateTableCommand", "ShowCurrentNamespaceCommand"),
    *("ShowDeltaPartitionsCommand", "ShowDeltaTableColumnsCommand", "ShowFunctions", "ShowFunctionsCommand"),
    *("ShowNamespaces", "ShowNamespacesCommand", "ShowPartitions"),
    *("ShowPartitionsCommand", "ShowTableProperties", "ShowTablePropertiesCommand", "ShowTables"),
    *("ShowTablesCommand", "ShowTablesExtended", "ShowViews", "ShowViewsCommand", "UnresolvedFunctionName"),
    *("UnresolvedNamespace", "UnresolvedTable", "UnresolvedTableOrView", "UnresolvedView"),
)
"""SHOW, DESCRIBE, EXPLAIN, USE, and SET where it sets nothing; as parsed, and as analysed."""

UNRESOLVED_EXPRESSIONS = (
    *("NamedParameter", "PosParameter", "UnresolvedAlias", "UnresolvedAttribute", "UnresolvedExtractValue"),
    *("UnresolvedFunction", "UnresolvedGenerator", "UnresolvedOrdinal", "UnresolvedRegex", "UnresolvedStar"),
    *("UnresolvedStarExceptOrReplace", "UnresolvedStarWithColumns", "MultiAlias"),
)
"""Expressions of the parser's own; those that compute something are allowed as such, functions by their names."""

SETTINGS = ("spark.sql.session.timeZone",)
"""What a client may set, for its own session."""

CONNECT_METHODS = (
    *("ExecutePlan", "AnalyzePlan", "Config", "Interrupt", "ReattachExecute", "ReleaseExecute", "ReleaseSession"),
    "FetchErrorDetails",
)
CONNECT_CHOICES = ("op_type", "rel_type", "read_type", "expr_type", "command_type", "cat_type", "analyze")
CONNECT_KINDS = (
    *("Plan.root", "Plan.command", "Command.sql_command", "Read.named_table"),
    *(
        f"Relation.{each}"
        for each in (
            *("read", "project", "filter", "join", "set_op", "sort", "limit", "aggregate", "sql", "local_relation"),
            *("sample", "offset", "deduplicate", "range", "subquery_alias", "repartition", "to_df", "drop", "tail"),
            *("with_columns_renamed", "show_string", "with_columns", "hint", "unpivot", "to_schema", "html_string"),
            *("repartition_by_expression", "as_of_join", "with_relations", "transpose", "lateral_join", "fill_na"),
            *("unresolved_table_valued_function", "drop_na", "replace", "summary", "crosstab", "describe", "cov"),
            *("corr", "approx_quantile", "freq_items", "sample_by", "catalog"),
        )
    ),
    *(
        f"Expression.{each}"
        for each in (
            *("literal", "unresolved_attribute", "unresolved_function", "expression_string", "unresolved_star"),
            *("alias", "cast", "unresolved_regex", "sort_order", "lambda_function", "window", "update_fields"),
            *("unresolved_extract_value", "unresolved_named_lambda_variable", "call_function"),
            *("named_argument_expression", "subquery_expression"),
        )
    ),
    *(
        f"Catalog.{each}"
        for each in (
            *("current_database", "set_current_database", "list_databases", "list_tables", "list_functions"),
            *("list_columns", "get_database", "get_table", "get_function", "database_exists", "table_exists"),
            *("function_exists", "is_cached", "current_catalog", "list_catalogs"),
        )
    ),
    *(
        f"AnalyzePlanRequest.{each}"
        for each in (
            *("schema", "explain", "tree_string", "is_local", "is_streaming", "spark_version", "ddl_parse"),
            *("same_semantics", "semantic_hash", "json_to_ddl"),
        )
    ),
    *("Operation.get", "Operation.get_with_default", "Operation.get_option", "Operation.is_modifiable"),
)
"""What a Spark Connect client may ask for besides SQL."""


def functions() -> tuple[str, ...]:
    """The functions of Spark and of lakepredict that a query may call; those that a lakehouse has besides, it may."""
    return tuple(files("lakepredict.serve").joinpath("functions.txt").read_text(encoding="utf-8").split())
