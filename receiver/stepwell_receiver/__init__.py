"""Receiver: OTLP over gRPC and HTTP in, step rows out, acknowledged after the commit."""
