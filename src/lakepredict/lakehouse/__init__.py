"""A lakehouse: one folder with Delta tables, MLflow's store and its artifacts."""

from lakepredict.lakehouse._folder import Folder, attach_tables, create, locate, use_mlflow

__all__ = ["Folder", "attach_tables", "create", "locate", "use_mlflow"]
