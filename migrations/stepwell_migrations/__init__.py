"""Migrations of the database schema, frozen once released; they import no application code."""
