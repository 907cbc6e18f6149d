"""What an operator looks at: health, metrics, messages to systemd."""
