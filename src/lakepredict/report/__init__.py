"""A forecast as a page for people: one HTML file with charts and tables that needs no network.

::

    from lakepredict import report

    report.write(spark, "forecast.html")

writes what the tables ``sales_forecast`` and ``weekly_sales`` say. Reading them takes a few aggregates on Spark; what
is made of them is decided from plain values.
"""

from lakepredict.report._write import write

__all__ = ["write"]
