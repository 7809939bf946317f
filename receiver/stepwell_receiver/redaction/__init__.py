"""Secrets and personal data are masked in what comes in, before anything of it is mapped, stored or passed on.

`forms` says what they look like, `rules` puts forms and names together, `requests` looks through decoded requests,
`workspaces` knows what each workspace wants.
"""
