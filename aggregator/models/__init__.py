"""The records that flow between the stages: frozen, without behaviour, without I/O."""
