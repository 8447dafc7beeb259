"""``python -m lakepredict.cli`` is ``lakepredict``."""

from lakepredict.cli import main

main(prog_name="lakepredict")
