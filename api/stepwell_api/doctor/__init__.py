"""``stepwell doctor``: says what a machine and a database offer, and the mend for what is wrong.

`command` is the command line, `machine` and `database` look, `finding` is what they say. Nothing is changed by looking.
"""
