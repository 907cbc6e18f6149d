"""What operators look at: findings about feeds, problems of the installation, metrics, messages to systemd.

`health.py` finds what is wrong with a feed. `cli/monitor.py` prints it as `aggregator health`. What `aggregator why
URL` prints is not here: `explain` in `cli/monitor.py` writes the lines, `store/reports/trace.py` reads the facts for
them.
"""
