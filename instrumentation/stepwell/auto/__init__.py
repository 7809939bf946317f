"""No-code instrumentation: an unmodified program reports the agents in it.

``stepwell instrument`` (`command`) puts `site` on the program's path, so that each of its Python processes begins with
`start`: it reads what is installed (`installation`), picks one instrumentation for each framework (`choice`, by the
table in `frameworks`), and has it switched on once the program imports the framework (`hooks`, `switching`). What
several instrumentations would tell twice is left out where spans begin (`screening`). `distro` does the same for those
who start their programs with ``opentelemetry-instrument``.
"""
