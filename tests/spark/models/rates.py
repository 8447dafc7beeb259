"""What a model that is logged as code imports from its own code directory."""

RATES = {"north": 1.5, "south": 2.25}
