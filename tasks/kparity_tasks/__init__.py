"""The bundled kernel specs: NumPy references, one module for each task, registered like any plugin's."""
