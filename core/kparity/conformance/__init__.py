"""Conformance: what a backend promises, examined one by one, and the certificate that says what holds."""
