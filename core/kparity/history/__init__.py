"""What was measured over time: run folders imported into a database, and questions to it. Needs `kparity[history]`."""

from kparity.history.database import History, open_history
from kparity.history.importing import Imported, import_runs
from kparity.history.queries import Best, Point, best, trend

__all__ = ["Best", "History", "Imported", "Point", "best", "import_runs", "open_history", "trend"]
