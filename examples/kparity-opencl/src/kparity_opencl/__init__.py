"""OpenCL as a backend of kparity: a third party's package, which kparity itself knows nothing of."""
