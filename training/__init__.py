"""Fitting, ranking, releases, MLflow."""
