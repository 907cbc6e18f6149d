"""The records that pass between the stages: frozen, without behaviour, without I/O.

Times are aware UTC datetimes (`..._at`), spans are `timedelta`, URLs are absolute strings. A field that may be unknown
is `None`, a text that may be empty is `""`.
"""
