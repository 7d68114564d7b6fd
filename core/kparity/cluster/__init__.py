"""Runs on a cluster: stations on its nodes evaluate, this process deals out cases and writes what comes back."""
