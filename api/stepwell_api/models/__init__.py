"""The shapes of the API's answers, for its OpenAPI document; a test holds every answer against them.

Answers are written from rows without passing through these models, which would cost more than the queries.
"""
