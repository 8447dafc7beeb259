"""A lakehouse with PREDICT for BI tools: Spark's Thrift JDBC/ODBC server and Spark Connect in one application."""
