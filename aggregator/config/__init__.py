"""The configuration: its settings, loading and editing it, and making other rooms' settings (`PollPolicy`) from it."""
