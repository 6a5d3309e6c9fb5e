"""One module for each change of the schema, and nothing else.

Piccolo imports every file of this folder by its bare name, so each begins with ``tickloom_``. The
``ID`` of a migration is its file name; their order is that of their names.
"""
