"""For operators: health of feeds and installation, metrics, messages to systemd."""
