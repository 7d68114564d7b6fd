"""Broadcast operations."""
